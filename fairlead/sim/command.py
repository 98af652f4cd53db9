"""`fairlead sim`: whole clusters in one process, on virtual time, without privileges."""

from __future__ import annotations

import gc
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from fairlead.core.gossip import PROFILES
from fairlead.sim.gossip.latency import MODELS
from fairlead.sim.gossip.run import simulate
from fairlead.sim.gossip.settings import SCENARIOS, Settings, parse_partition, parse_share, with_scenario


class Share(click.ParamType[float]):
    """`5%` or `0.05`."""

    name = "share"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return parse_share(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Finite(click.FloatRange):
    """A range of numbers, without those that are none and without end."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)  # type: ignore[arg-type]
        if not math.isfinite(number):
            self.fail(f"{value} is not a number to reckon with", param, ctx)
        return number


SHARE = Share()


@click.group()
def sim() -> None:
    """Simulate clusters on virtual time"""


@sim.command()
@click.option("--nodes", type=click.IntRange(2, 65_535), default=25, show_default=True, help="Hosts in the cluster.")
@click.option(
    "--scenario", type=click.Choice(SCENARIOS), default="quiet", show_default=True, help="What happens to the hosts."
)
@click.option("--duration", type=Finite(1), default=60.0, show_default=True, help="Virtual seconds.")
@click.option("--seed", type=int, default=1, show_default=True, help="Names the history: equal seeds, equal runs.")
@click.option(
    "--profile",
    type=click.Choice(sorted(PROFILES)),
    default="lan",
    show_default=True,
    help="Timeouts and rates of the protocol.",
)
@click.option(
    "--latency",
    type=click.Choice(sorted(MODELS)),
    default="lan",
    show_default=True,
    help="Model of the network's delays.",
)
@click.option("--loss", type=SHARE, help="Share of packets lost, as in 5%.")
@click.option("--duplication", type=SHARE, help="Share of packets that arrive twice.")
@click.option("--reordering", type=SHARE, help="Share of packets that arrive late.")
@click.option("--skew", type=Finite(0), help="Clocks differ by up to this many seconds.")
@click.option("--writes", type=Finite(0), help="Table writes per second in the cluster.")
@click.option("--churn", type=SHARE, help="Share of hosts restarted per minute.")
@click.option("--crash", type=click.IntRange(0), help="Hosts that fail for good.")
@click.option("--pause", type=SHARE, help="Share of hosts that stands still at any time.")
@click.option("--pause-length", type=Finite(0.1), help="Longest standstill in seconds.")
@click.option("--machines", is_flag=True, help="Machines fail and stall, not processes: no kernel answers for them.")
@click.option("--partition", help="SHARE or SHARE@START+LENGTH, as in 30%@20+60.")
@click.option("--plain", is_flag=True, help="SWIM of 2002, without Lifeguard and witnesses.")
@click.option("--push/--no-push", default=True, show_default=True, help="Send changes on as soon as they are seen.")
@click.option("--encrypt/--clear", default=True, show_default=True, help="Real AES-256-GCM on each packet.")
@click.option("--cold", is_flag=True, help="Start with nobody knowing anybody.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--plot", type=click.Path(file_okay=False, path_type=Path), help="Write SVG plots into this folder.")
def gossip(as_json: bool, plot: Path | None, partition: str | None, **options: object) -> None:
    """Measure the gossip control plane in a simulated network."""
    chosen = with_scenario(options)
    if partition is not None:
        try:
            chosen["partition"] = parse_partition(partition, float(str(chosen["duration"])))
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--partition") from None
    settings = Settings(**chosen)  # type: ignore[arg-type]
    if settings.crash >= settings.nodes:
        raise click.BadParameter(
            f"{settings.crash} of {settings.nodes} hosts leave nobody to notice", param_hint="--crash"
        )
    with _without_collector():
        result, measure = simulate(settings, sample_load=plot is not None)
    if plot is not None:
        from fairlead.sim.gossip.plots import write_plots

        write_plots(plot, settings, measure)
    if as_json:
        click.echo(json.dumps(result.as_dict(), sort_keys=True))
    else:
        from fairlead.sim.gossip.table import print_table

        print_table(result)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Nearly everything in a simulation lives until its end; collecting would only cost time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@sim.command()
@click.argument("script", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--rewrite", "in_place", is_flag=True, help="Write what it prints back into the file.")
def play(script: Path, in_place: bool) -> None:
    """Run a script of commands, each followed by what it prints."""
    from fairlead.sim.gossip.play import PlayError, rewrite

    try:
        text = rewrite(script.read_text())
    except PlayError as error:
        raise click.ClickException(f"{script}: {error}") from None
    if in_place:
        script.write_text(text)
    else:
        click.echo(text, nl=False)


@sim.command()
@click.option("--nodes", type=click.IntRange(5), default=100, show_default=True, help="Hosts in the swarm.")
@click.option("--tasks", type=click.IntRange(1), default=1000, show_default=True, help="Containers to place.")
@click.option("--seed", type=int, default=1, show_default=True, help="Names the history: equal seeds, equal runs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def swarm(nodes: int, tasks: int, seed: int, as_json: bool) -> None:
    """Measure what changes of a swarm cost its leader."""
    from fairlead.sim.swarm.run import simulate as simulate_swarm
    from fairlead.sim.swarm.table import print_table

    result = simulate_swarm(nodes, tasks, seed)
    if as_json:
        click.echo(json.dumps(result.as_dict(), sort_keys=True))
    else:
        print_table(result)
