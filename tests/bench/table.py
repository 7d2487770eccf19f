"""Results as a Markdown table."""

from collections.abc import Iterable

from measure import Result
from servers import FLOOR, HYPHAD, REFERENCE

HYPHAD_FIRST = (HYPHAD, REFERENCE, FLOOR)
HEAD = ("measure", "unit", "hyphad", "reference", "ratio", "wanted", "", "spread")


def markdown(results: Iterable[Result]) -> str:
    """One row a measure; then what a bare relay of the same frames costs."""
    results = [result for result in results if result.values]
    rows = [_row(result) for result in results]
    text = table(HEAD, rows)
    against = [_floor_row(result) for result in results if result.ratio(FLOOR) is not None]
    if against:
        text += "\n\nAgainst the machine: a bare relay of the same bytes with the same library.\n\n"
        text += table(("measure", "unit", "hyphad", "bare relay", "ratio", "wanted"), against)
    return text + "\n"


def _row(result: Result) -> tuple[str, ...]:
    measure = result.measure
    sign = ">=" if measure.more_is_better else "<="
    wanted = []
    if measure.limit is not None:
        wanted.append(f"{sign} {number(measure.limit)} {measure.unit}")
    if measure.target is not None:
        wanted.append(f"{sign} {number(measure.target)} x")
    if measure.goal is not None:
        wanted.append(f"goal {number(measure.goal)} x")
    spread = result.spread
    return (
        measure.title,
        measure.unit,
        number(result.median(HYPHAD)),
        number(result.median(REFERENCE)),
        number(result.ratio()),
        ", ".join(wanted),
        result.verdict,
        "" if spread is None else f"{spread:.0%}",
    )


def _floor_row(result: Result) -> tuple[str, ...]:
    measure = result.measure
    wanted = "" if measure.floor_goal is None else f"goal {number(measure.floor_goal)} x"
    mine, floor = number(result.median(HYPHAD)), number(result.median(FLOOR))
    return measure.title, measure.unit, mine, floor, number(result.ratio(FLOOR)), wanted


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Columns that line up in plain text as well."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, tuple("-" * width for width in widths), *rows]
    return "\n".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"
