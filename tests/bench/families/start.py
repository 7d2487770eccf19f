"""From exec to readiness, in an empty folder and in one that has been used."""

from measure import Effort, Family, Measure, Round
from servers import Target


def run(target: Target, effort: Effort) -> Round:
    return {"first": target.first_start, "again": target.restart}


FAMILY = Family(
    "start",
    (
        Measure("first", "exec to readiness, first start", "s", limit=0.6, goal=0.35),
        Measure("again", "exec to readiness, later starts", "s", limit=0.6, goal=0.35),
    ),
    run,
    fresh=True,
)
