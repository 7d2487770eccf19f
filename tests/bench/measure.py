"""What is measured and what it should be; one round of a family, and the medians of many."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from servers import FLOOR, HYPHAD, REFERENCE, Target

Round = dict[str, float]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work a round does; `factor` 1 takes some seconds for every family."""

    factor: float = 1.0

    def times(self, count: int) -> int:
        return max(1, round(count * self.factor))


@dataclass(frozen=True, slots=True)
class Measure:
    """One row; `scale` turns seconds or bytes into the unit.

    `target` bounds hyphad / reference, `limit` hyphad itself in `unit`: to be kept. `goal` bounds
    hyphad / reference and `floor_goal` hyphad / bare relay: to be worked for.
    """

    key: str
    title: str
    unit: str
    scale: float = 1.0
    target: float | None = None
    limit: float | None = None
    goal: float | None = None
    floor_goal: float | None = None
    more_is_better: bool = False

    def keeps(self, value: float | None, bound: float | None) -> bool:
        """Whether a value is within a bound; what is not there is kept."""
        if value is None or bound is None:
            return True
        return value >= bound if self.more_is_better else value <= bound


@dataclass(frozen=True, slots=True)
class Family:
    """Measures that are taken together: `run` does one round on one server, in its own process.

    `fresh`: every round gets a server that has just been started (twice in the same folder).
    `reference_flags`: what the reference needs on its command line to be able to do it at all.
    """

    name: str
    measures: tuple[Measure, ...]
    run: Callable[[Target, Effort], Round]
    fresh: bool = False
    floor: bool = False
    reference_flags: tuple[str, ...] = ()


@dataclass(slots=True)
class Result:
    """All values of one measure, by server."""

    measure: Measure
    values: dict[str, list[float]] = field(default_factory=dict)

    def median(self, kind: str) -> float | None:
        """In the unit of the measure."""
        values = self.values.get(kind)
        return statistics.median(values) * self.measure.scale if values else None

    def ratio(self, other: str = REFERENCE) -> float | None:
        """hyphad / other, of medians."""
        mine, its = self.median(HYPHAD), self.median(other)
        return mine / its if mine is not None and its else None

    @property
    def spread(self) -> float | None:
        """(largest - smallest) / median of hyphad's rounds: how much to believe."""
        values = self.values.get(HYPHAD)
        middle = self.median(HYPHAD)
        if not values or not middle:
            return None
        return (max(values) - min(values)) * self.measure.scale / middle

    @property
    def verdict(self) -> str:
        """`missed`, `met`, or `goal`: in one word; empty where nothing can be said."""
        measure, ratio, floor = self.measure, self.ratio(), self.ratio(FLOOR)
        value = self.median(HYPHAD)
        if value is None or not self._is_judged(ratio):
            return ""
        if not (measure.keeps(ratio, measure.target) and measure.keeps(value, measure.limit)):
            return "missed"
        if measure.goal is None and measure.floor_goal is None:
            return "met"
        goal = measure.keeps(ratio, measure.goal) and measure.keeps(floor, measure.floor_goal)
        return "goal" if goal else "met"

    def _is_judged(self, ratio: float | None) -> bool:
        bounded = self.measure.target is not None or self.measure.goal is not None
        return self.measure.limit is not None or (bounded and ratio is not None)
