"""`python -m bench.gossip serf` and `python -m bench.gossip speed`."""

from __future__ import annotations

import json

import click

from bench.gossip import compare as contest
from bench.gossip import fuzz as fuzzing
from bench.gossip import rotation as rotating
from bench.gossip import speed as machine


@click.group()
def main() -> None:
    """Measure the gossip control plane."""


@main.command()
@click.option("--sizes", default="5,15,30", show_default=True, help="Cluster sizes.")
@click.option("--rounds", default=1, show_default=True, help="Rounds of each system and size.")
@click.option("--records", default=20, show_default=True, help="Records told per round.")
@click.option("--stall-time", default=30.0, show_default=True, help="Seconds of stalls per round.")
@click.option("--json", "path", help="Write all figures here.")
def serf(sizes: str, rounds: int, records: int, stall_time: float, path: str | None) -> None:
    """Compare with Debian's serf agents as real processes."""
    outcome = contest.compare([int(size) for size in sizes.split(",")], rounds, records=records, stall_time=stall_time)
    contest.show(outcome)
    if path:
        contest.write_json(outcome, path)


@main.command()
@click.option("--packets", default=100_000, show_default=True)
def speed(packets: int) -> None:
    """Push packets through receive and transmit of one node, with codec and AES-256-GCM."""
    click.echo(json.dumps(machine.measure(packets)))


@main.command()
@click.option("--packets", default=1_000_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
def fuzz(packets: int, seed: int) -> None:
    """Feed mutated packets to a joined node; fails when one raises."""
    click.echo(json.dumps(fuzzing.run(packets, seed)))


@main.command()
@click.option("--nodes", default=30, show_default=True)
@click.option("--rotations", default=3, show_default=True)
@click.option("--rate", default=20.0, show_default=True, help="Records per second.")
def rotation(nodes: int, rotations: int, rate: float) -> None:
    """Replace the key of a cluster of real processes while it is written to; nothing may be lost."""
    click.echo(json.dumps(rotating.run(nodes, rotations, rate)))


if __name__ == "__main__":
    main()
