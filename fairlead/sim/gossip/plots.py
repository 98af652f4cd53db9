"""Plots of a run as SVG files: how writes spread, how crashes become known, what it costs over time."""

from __future__ import annotations

from html import escape
from pathlib import Path

from fairlead.sim.gossip.measure import Measure
from fairlead.sim.gossip.settings import Settings

WIDTH, HEIGHT, MARGIN = 640, 360, 56
_TICKS = 5

Points = list[tuple[float, float]]


def write_plots(folder: Path, settings: Settings, measure: Measure) -> None:
    """Writes `dissemination.svg`, `detection.svg` and `load.svg`, those for which the run has data."""
    folder.mkdir(parents=True, exist_ok=True)
    about = f"{settings.nodes} nodes, {settings.scenario}, seed {settings.seed}"
    spread = cumulative(measure.arrivals())
    known = cumulative([when - crash.at for crash in measure.crashes.values() for when in crash.known.values()])
    plots = {
        "dissemination": (f"Share of nodes that have a write: {about}", "seconds after the write", spread),
        "detection": (f"Share of nodes that know of a crash: {about}", "seconds after the crash", known),
        "load": (f"Bytes sent per node and second: {about}", "virtual seconds", measure.load),
    }
    for name, (title, unit, points) in plots.items():
        if points:
            (folder / f"{name}.svg").write_text(line_chart(title, unit, points))


def cumulative(values: list[float]) -> Points:
    """For each value the share of values up to it."""
    ordered = sorted(values)
    return [(value, (place + 1) / len(ordered)) for place, value in enumerate(ordered)]


def line_chart(title: str, unit: str, points: Points) -> str:
    """One line over two axes that begin at zero."""
    right = max(x for x, _ in points) or 1.0
    top = max(y for _, y in points) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        inner_width, inner_height = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN
        return MARGIN + inner_width * x / right, HEIGHT - MARGIN - inner_height * y / top

    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{WIDTH / 2}" y="24" text-anchor="middle" font-size="14">{escape(title)}</text>',
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle" font-size="12">{escape(unit)}</text>',
    ]
    for tick in range(_TICKS + 1):
        x, bottom = place(right * tick / _TICKS, 0)
        left, y = place(0, top * tick / _TICKS)
        parts.append(_label(x, bottom + 16, "middle", right * tick / _TICKS))
        parts.append(_label(left - 6, y + 4, "end", top * tick / _TICKS))
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{WIDTH - MARGIN}" y2="{y:.1f}" stroke="#ddd"/>')
    parts.append(f'<polyline points="{line}" fill="none" stroke="#1f5fa8" stroke-width="2"/>')
    return "\n".join([*parts, "</svg>", ""])


def _label(x: float, y: float, anchor: str, value: float) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="11">{value:.3g}</text>'
