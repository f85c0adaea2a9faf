"""Bar charts as SVG, for the benchmarks' figures in README: nothing to install."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

COLOURS = ["#2f6f9f", "#c8553d", "#6fb1d8", "#e8a598"]
INK, GRID = "#4d5561", "#8a93a0"
WIDTH, LEFT, RIGHT, BAR, GAP = 760, 190, 90, 15, 4


@dataclass(frozen=True)
class Bar:
    """One subject's median, with the least and the most that were measured."""

    name: str
    value: float
    least: float
    most: float


def draw(title: str, panels: dict[str, dict[str, list[Bar]]]) -> str:
    """`panels`: what is measured -> group -> its bars, the same subjects in each."""
    lines: list[str] = []
    y = 34.0
    for measure, groups in panels.items():
        lines.append(_text(12, y + 12, measure, weight="bold"))
        y += 22
        longest = max(bar.most for bars in groups.values() for bar in bars)
        scale = (WIDTH - LEFT - RIGHT) / longest
        for group, bars in groups.items():
            lines.append(_text(12, y + 12, group))
            for number, bar in enumerate(bars):
                lines += _bar(bar, COLOURS[number % len(COLOURS)], y, scale)
                y += BAR + GAP
            y += 10
        y += 4
    for number, bar in enumerate(next(iter(next(iter(panels.values())).values()))):
        x = 12 + (number % 2) * 240
        lines.append(f'<rect x="{x}" y="{y:.0f}" width="12" height="12" fill="{COLOURS[number % len(COLOURS)]}"/>')
        lines.append(_text(x + 18, y + 11, bar.name))
        y += 20 * (number % 2)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 12:.0f}" width="{WIDTH}" '
        'font-family="system-ui, sans-serif" font-size="12">'
    )
    background = '<rect width="100%" height="100%" fill="#fff"/>'  # pages may be dark
    return "\n".join([head, background, _text(12, 20, title, weight="bold", size=14), *lines, "</svg>\n"])


def _bar(bar: Bar, colour: str, y: float, scale: float) -> list[str]:
    middle = y + BAR / 2
    return [
        f'<rect x="{LEFT}" y="{y:.0f}" width="{bar.value * scale:.1f}" height="{BAR}" fill="{colour}"/>',
        f'<path d="M{LEFT + bar.least * scale:.1f} {middle:.1f}H{LEFT + bar.most * scale:.1f}" stroke="{GRID}"/>',
        _text(LEFT + bar.most * scale + 6, y + 12, f"{bar.value:,.0f}" if bar.value >= 100 else f"{bar.value:.1f}"),
    ]


def _text(x: float, y: float, text: str, weight: str = "normal", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{INK}" font-weight="{weight}" font-size="{size}">{escape(text)}</text>'
