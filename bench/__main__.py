"""`python -m bench [GROUP ...]`: measure, print a table, write JSON.

Each group starts both engines anew. One that fails is reported and does not cost the others; what was measured so far
is always on the disk.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import traceback
from pathlib import Path

import click

from bench import (
    clusters,
    figures,
    rows_balance,
    rows_containers,
    rows_dns,
    rows_kernel,
    rows_macvlan,
    rows_mesh,
    rows_networks,
    rows_overlay,
    rows_ports,
    rows_reads,
    rows_restart,
    rows_swarm,
    rows_traffic,
)
from bench.engines import both
from fairlead.effects.kernel import netns

GROUPS = {
    "networks": rows_networks.measure,
    "reads": rows_reads.measure,
    "containers": rows_containers.measure,
    "ports": rows_ports.measure,
    "traffic": rows_traffic.measure,
    "macvlan": rows_macvlan.measure,
    "dns": rows_dns.measure,
    "restart": rows_restart.measure,
}
SWARM_GROUPS = {"swarm": rows_swarm.measure, "overlay": rows_overlay.measure, "mesh": rows_mesh.measure}
"""Their engines are swarms of three."""
KERNEL, BALANCE = "kernel", "balance"
"""No engine takes part in these."""
QUICK = ("networks", "reads", "containers", "dns")
ROUNDS, FEW_ROUNDS = 15, 5


def _measure(name: str, rounds: int) -> list[figures.Figure]:
    if name == KERNEL:
        with netns.entered_descriptor(netns.make_namespace()):
            return asyncio.run(rows_kernel.measure(5 * rounds))
    if name == BALANCE:
        return rows_balance.measure(rounds)
    if name in SWARM_GROUPS:
        with clusters.both() as (our_swarm, peer_swarm):
            return SWARM_GROUPS[name](our_swarm, peer_swarm, rounds)
    with both() as (ours, peer):
        return GROUPS[name](ours, peer, rounds)


@click.command()
@click.argument("groups", nargs=-1, type=click.Choice([*GROUPS, *SWARM_GROUPS, BALANCE, KERNEL]))
@click.option("--quick", is_flag=True, help=f"Only {', '.join(QUICK)}, and {FEW_ROUNDS} rounds of each.")
@click.option("--rounds", default=None, type=int, help=f"Samples of each engine for each row (default {ROUNDS}).")
@click.option(
    "--json", "output", type=click.Path(path_type=Path), default=None, help="Default: bench/results/<time>.json"
)
def main(groups: tuple[str, ...], quick: bool, rounds: int | None, output: Path | None) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave nothing of the engines behind
    began, load = time.monotonic(), os.getloadavg()[0]
    if load > 1.5:
        click.echo(f"The machine is busy (load {load:.1f}): ratios will be noisy.", err=True)
    path = output or Path("bench/results") / time.strftime("%Y%m%d-%H%M%S.json")
    found: list[figures.Figure] = []
    failed: list[str] = []
    for name in groups or (QUICK if quick else (*GROUPS, *SWARM_GROUPS, BALANCE, KERNEL)):
        click.echo(f"{name} ({time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f})", err=True)
        try:
            found += _measure(name, rounds or (FEW_ROUNDS if quick else ROUNDS))
        except Exception:
            traceback.print_exc()
            failed.append(name)
        figures.write(found, path, load, failed)
    figures.show(found)
    click.echo(f"load {load:.1f} at start, {os.getloadavg()[0]:.1f} at the end; written to {path}")
    if failed:
        raise click.ClickException(f"not measured: {', '.join(failed)}")


if __name__ == "__main__":
    main()
