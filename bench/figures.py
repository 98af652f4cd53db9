"""Figures of one run: samples of two engines taken in turn, their medians, the ratio, and the goal it is held to."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """`ours` and `peer` in `unit`; `ratio` is ours to the peer's (or another base named in `note`). A goal of None
    is a report. `higher_is_better` turns the comparison with the goal round."""

    row: str
    ours: float
    peer: float | None
    unit: str = "ms"
    goal: float | None = None
    higher_is_better: bool = False
    note: str = ""
    samples: dict[str, list[float]] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        return self.ours / self.peer if self.peer else None

    @property
    def met(self) -> bool | None:
        if self.goal is None or self.ratio is None:
            return None
        return self.ratio >= self.goal if self.higher_is_better else self.ratio <= self.goal


def interleaved(
    ours: Callable[[], float], peer: Callable[[], float], rounds: int, warm_up: int = 1
) -> tuple[list[float], list[float]]:
    """Samples taken in turn, so that both meet the same noise."""
    for _ in range(warm_up):
        ours()
        peer()
    pairs = [(ours(), peer()) for _ in range(rounds)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def milliseconds(
    row: str, samples: tuple[Sequence[float], Sequence[float]], goal: float | None, note: str = ""
) -> Figure:
    """A figure out of two lists of seconds."""
    ours, peer = ([1000 * value for value in values] for values in samples)
    return Figure(
        row, statistics.median(ours), statistics.median(peer), "ms", goal, False, note, {"ours": ours, "peer": peer}
    )


def show(figures: Sequence[Figure]) -> None:
    table = Table("row", "ours", "peer", "unit", "ratio", "goal", "", "note")
    for figure in figures:
        ratio = f"{figure.ratio:.3f}" if figure.ratio is not None else ""
        sign = "≥" if figure.higher_is_better else "≤"
        verdict = {True: "met", False: "MISSED", None: ""}[figure.met]
        table.add_row(
            figure.row,
            f"{figure.ours:.4g}",
            f"{figure.peer:.4g}" if figure.peer is not None else "",
            figure.unit,
            ratio,
            f"{sign} {figure.goal:g}" if figure.goal is not None else "",
            verdict,
            figure.note,
        )
    Console(width=160).print(table)


def write(figures: Sequence[Figure], path: Path, load: float, failed: Sequence[str] = ()) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{**asdict(figure), "ratio": figure.ratio, "met": figure.met} for figure in figures]
    said = {"load_average_at_start": load, "not_measured": list(failed), "figures": rows}
    path.write_text(json.dumps(said, indent=1) + "\n")
