"""`python -m bench [ROW ...]`: measure, print a table, write JSON."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from bench import figures, rows_containers, rows_dns, rows_networks, rows_ports, rows_reads, rows_restart, rows_traffic
from bench.engines import both

GROUPS = {
    "networks": rows_networks.measure,
    "reads": rows_reads.measure,
    "containers": rows_containers.measure,
    "ports": rows_ports.measure,
    "traffic": rows_traffic.measure,
    "dns": rows_dns.measure,
    "restart": rows_restart.measure,
}


@click.command()
@click.argument("groups", nargs=-1, type=click.Choice(list(GROUPS)))
@click.option("--rounds", default=15, show_default=True, help="Samples of each engine for each row.")
@click.option(
    "--json", "output", type=click.Path(path_type=Path), default=None, help="Default: bench/results/<time>.json"
)
def main(groups: tuple[str, ...], rounds: int, output: Path | None) -> None:
    load = os.getloadavg()[0]
    if load > 1.5:
        click.echo(f"The machine is busy (load {load:.1f}): ratios will be noisy.", err=True)
    found: list[figures.Figure] = []
    for name in groups or GROUPS:
        with both() as (ours, peer):
            found += GROUPS[name](ours, peer, rounds)
        figures.show(found)
    path = output or Path("bench/results") / time.strftime("%Y%m%d-%H%M%S.json")
    figures.write(found, path, load)
    click.echo(f"written to {path}")


if __name__ == "__main__":
    main()
