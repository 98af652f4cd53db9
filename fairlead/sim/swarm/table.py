"""The result for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from fairlead.sim.swarm.run import Cost, Result


def print_table(result: Result) -> None:
    large, small = result.large, result.small
    table = Table(
        title=f"{large.nodes} nodes, {large.tasks} tasks, against {small.nodes} and {small.tasks}; seed {result.seed}",
        title_justify="left",
    )
    table.add_column("change", no_wrap=True)
    for heading in ("writes", "keys looked at", "deciding, ms", "keys, smaller", "ms, smaller"):
        table.add_column(heading, justify="right")
    rows = {"place all tasks": (large.placing, small.placing)}
    rows |= {name: (cost, small.changes[name]) for name, cost in large.changes.items()}
    for name, costs in rows.items():
        table.add_row(name, *_cells(*costs))
    console = Console()
    console.print(table)
    console.print(f"{large.placed_per_s:,.0f} tasks per second of deciding, from the service's creation to running")


def _cells(large: Cost, small: Cost) -> tuple[str, ...]:
    return str(large.writes), str(large.looks), f"{large.cpu_ms:.1f}", str(small.looks), f"{small.cpu_ms:.1f}"
