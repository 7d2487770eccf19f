"""A small line chart as SVG, both axes logarithmic: what grows in proportion is a straight line."""

import math
from html import escape

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 560, 300, 64, 40, 110, 44
COLOURS = {"hyphad": "#0b6e4f", "reference": "#b3472e", "floor": "#6b7280"}
NAMES = {"floor": "bare relay"}
Lines = dict[str, list[tuple[float, float]]]


def chart(title: str, size: str, lines: Lines) -> str:
    """The text of an SVG file; sizes and values above zero."""
    points = [point for line in lines.values() for point in line if min(point) > 0]
    across = _Axis([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = _Axis([y for _, y in points], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="11" role="img" aria-label="{escape(title)}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="20" font-size="13" font-weight="bold">{escape(title)}</text>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{escape(size)}</text>",
    ]
    for value in up.ticks():
        y = up.place(value)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#e5e7eb"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_short(value)}</text>'
        )
    for value in sorted({x for x, _ in points}):
        place = f'x="{across.place(value):.1f}" y="{HEIGHT - BOTTOM + 16}"'
        parts.append(f'<text {place} text-anchor="middle">{_short(value)}</text>')
    for name, line in lines.items():
        parts += _line(name, [(across.place(x), up.place(y)) for x, y in line if min(x, y) > 0])
    return "\n".join([*parts, "</svg>"]) + "\n"


def _line(name: str, places: list[tuple[float, float]]) -> list[str]:
    if not places:
        return []
    colour = COLOURS.get(name, "#111827")
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    x, y = places[-1]
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in places]
    label = escape(NAMES.get(name, name))
    return [
        f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *dots,
        f'<text x="{x + 8:.1f}" y="{y + 4:.1f}" fill="{colour}">{label}</text>',
    ]


class _Axis:
    """Maps values to places on a logarithmic axis."""

    def __init__(self, values: list[float], begin: float, end: float) -> None:
        self.low = 10 ** math.floor(math.log10(min(values)))
        self.high = max(10 ** math.ceil(math.log10(max(values))), self.low * 10)
        self.begin, self.end = begin, end

    def place(self, value: float) -> float:
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.begin + part * (self.end - self.begin)

    def ticks(self) -> list[float]:
        count = round(math.log10(self.high / self.low))
        return [self.low * 10**power for power in range(count + 1)]


def _short(value: float) -> str:
    for size, mark in ((1 << 20, "Mi"), (1 << 10, "Ki")):
        if value >= size and value % size == 0:
            return f"{value / size:.0f} {mark}"
    return f"{value:,.0f}".replace(",", " ") if value >= 1 else f"{value:g}"
