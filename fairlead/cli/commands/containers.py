"""What only the group `container` has: inspect, prune, export, update."""

from __future__ import annotations

import click

from fairlead.cli.client import Client
from fairlead.cli.command import Flags, ask, command, filters_query, on_each, pass_client
from fairlead.cli.commands.inspect import finder, show_each
from fairlead.cli.create_body import restart_policy
from fairlead.cli.fields import Json, number, texts
from fairlead.cli.files import write_stream
from fairlead.cli.format.units import parse_size, size


@command("inspect", help="Display detailed information on one or more containers")
@click.option("-f", "--format", "template", default="", help="Go template or 'json'")
@click.option("-s", "--size", "sizes", is_flag=True, help="Display total file sizes")
@click.argument("containers", nargs=-1, required=True, metavar="CONTAINER [CONTAINER...]")
@pass_client
def inspect(client: Client, template: str, sizes: bool, containers: tuple[str, ...]) -> None:
    show_each(containers, template, finder(client, "container", sizes))


@command("prune", help="Remove all stopped containers")
@click.option("--filter", "terms", multiple=True, help="Provide filter values (e.g. 'until=<timestamp>')")
@click.option("-f", "--force", is_flag=True, help="Do not prompt for confirmation")
@pass_client
def prune(client: Client, terms: tuple[str, ...], force: bool) -> None:
    ask(force, "WARNING! This will remove all stopped containers.")
    answer = client.post_object("/containers/prune", {"filters": filters_query(terms)})
    if removed := texts(answer, "ContainersDeleted"):
        click.echo("Deleted Containers:\n" + "\n".join(removed) + "\n")
    click.echo(f"Total reclaimed space: {size(number(answer, 'SpaceReclaimed'))}")


@command("export", help="Export a container's filesystem as a tar archive")
@click.option("-o", "--output", default="", help="Write to a file, instead of STDOUT")
@click.argument("container", metavar="CONTAINER")
@pass_client
def export(client: Client, output: str, container: str) -> None:
    write_stream(client.request("GET", f"/containers/{container}/export").chunks(), output)


@command("update", help="Update configuration of one or more containers")
@click.option("--blkio-weight", type=int, default=None, help="Block IO (relative weight)")
@click.option("--cpu-period", type=int, default=None, help="Limit CPU CFS period")
@click.option("--cpu-quota", type=int, default=None, help="Limit CPU CFS quota")
@click.option("-c", "--cpu-shares", type=int, default=None, help="CPU shares (relative weight)")
@click.option("--cpuset-cpus", default="", help="CPUs in which to allow execution")
@click.option("-m", "--memory", default="", help="Memory limit")
@click.option("--memory-swap", default="", help="Swap limit equal to memory plus swap")
@click.option("--pids-limit", type=int, default=None, help="Tune container pids limit")
@click.option("--restart", default="", help="Restart policy to apply when a container exits")
@click.argument("containers", nargs=-1, required=True, metavar="CONTAINER [CONTAINER...]")
@pass_client
def update(client: Client, /, containers: tuple[str, ...], **values: object) -> None:
    body = _changes(Flags(values))
    on_each(containers, lambda name: client.post(f"/containers/{name}/update", value=body))


def _changes(flags: Flags) -> Json:
    """Only what was given: the rest stays."""
    changes: Json = {
        "BlkioWeight": flags.optional("blkio_weight"),
        "CpuPeriod": flags.optional("cpu_period"),
        "CpuQuota": flags.optional("cpu_quota"),
        "CpuShares": flags.optional("cpu_shares"),
        "PidsLimit": flags.optional("pids_limit"),
        "CpusetCpus": flags.text("cpuset_cpus") or None,
        "Memory": parse_size(flags.text("memory")) if flags.text("memory") else None,
        "MemorySwap": parse_size(flags.text("memory_swap")) if flags.text("memory_swap") else None,
        "RestartPolicy": restart_policy(flags.text("restart")) if flags.text("restart") else None,
    }
    return {key: value for key, value in changes.items() if value is not None}
