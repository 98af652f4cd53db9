"""`volume`: create, ls, inspect, rm, prune."""

from __future__ import annotations

from collections.abc import Mapping

import click

from fairlead.cli.client import Client
from fairlead.cli.command import ask, command, filters_query, on_each, pass_client
from fairlead.cli.commands.inspect import finder, show_each
from fairlead.cli.faults import DaemonRefused
from fairlead.cli.fields import Json, number, objects, text, texts
from fairlead.cli.format.table import Listing
from fairlead.cli.format.units import size
from fairlead.cli.pairs import pairs_of
from fairlead.cli.rows import labels_of

VOLUMES = Listing(
    {
        "Driver": "DRIVER",
        "Labels": "LABELS",
        "Links": "LINKS",
        "Mountpoint": "MOUNTPOINT",
        "Name": "VOLUME NAME",
        "Scope": "SCOPE",
        "Size": "SIZE",
    },
    r"{{.Driver}}\t{{.Name}}",
    "{{.Name}}",
)


def volume_row(volume: Json) -> Mapping[str, object]:
    usage = volume.get("UsageData")
    return {
        "Driver": text(volume, "Driver"),
        "Labels": labels_of(volume),
        "Links": str(number(usage, "RefCount")) if usage else "N/A",
        "Mountpoint": text(volume, "Mountpoint"),
        "Name": text(volume, "Name"),
        "Scope": text(volume, "Scope"),
        "Size": size(number(usage, "Size")) if usage else "N/A",
        "Label": lambda name: text(volume, "Labels", name),
    }


@command("create", help="Create a volume")
@click.option("-d", "--driver", default="local", help="Specify volume driver name")
@click.option("--label", "labels", multiple=True, help="Set metadata for a volume")
@click.option("-o", "--opt", "options", multiple=True, help="Set driver specific options")
@click.argument("name", required=False, default="", metavar="[VOLUME]")
@pass_client
def create(client: Client, driver: str, labels: tuple[str, ...], options: tuple[str, ...], name: str) -> None:
    body = {"Name": name, "Driver": driver, "DriverOpts": pairs_of(options), "Labels": pairs_of(labels)}
    click.echo(text(client.post("/volumes/create", value=body), "Name"))


@command("ls", help="List volumes")
@click.option("-f", "--filter", "terms", multiple=True, help="Provide filter values (e.g. 'dangling=true')")
@click.option("--format", "template", default="", help="Format output using 'table', 'json' or a Go template")
@click.option("-q", "--quiet", is_flag=True, help="Only display volume names")
@pass_client
def ls(client: Client, terms: tuple[str, ...], template: str, quiet: bool) -> None:
    found = objects(client.get("/volumes", {"filters": filters_query(terms)}), "Volumes")
    rows = [volume_row(one) for one in sorted(found, key=lambda one: text(one, "Name"))]
    click.echo(VOLUMES.render(rows, template, quiet), nl=False)


@command("inspect", help="Display detailed information on one or more volumes")
@click.option("-f", "--format", "template", default="", help="Go template or 'json'")
@click.argument("names", nargs=-1, required=True, metavar="VOLUME [VOLUME...]")
@pass_client
def inspect(client: Client, template: str, names: tuple[str, ...]) -> None:
    show_each(names, template, finder(client, "volume"))


@command("rm", help="Remove one or more volumes")
@click.option("-f", "--force", is_flag=True, help="Force the removal of one or more volumes")
@click.argument("names", nargs=-1, required=True, metavar="VOLUME [VOLUME...]")
@pass_client
def rm(client: Client, force: bool, names: tuple[str, ...]) -> None:
    def remove(name: str) -> bool:
        try:
            client.delete(f"/volumes/{name}", {"force": force})
        except DaemonRefused as refusal:
            if not (force and refusal.code == 404):
                raise
            return False
        return True

    on_each(names, remove)


@command("prune", help="Remove unused local volumes")
@click.option("-a", "--all", "everything", is_flag=True, help="Remove all unused volumes, not just anonymous ones")
@click.option("--filter", "terms", multiple=True, help="Provide filter values (e.g. 'label=<label>')")
@click.option("-f", "--force", is_flag=True, help="Do not prompt for confirmation")
@pass_client
def prune(client: Client, everything: bool, terms: tuple[str, ...], force: bool) -> None:
    which = "all local volumes" if everything else "anonymous local volumes"
    ask(force, f"WARNING! This will remove {which} not used by at least one container.")
    if everything:
        terms = (*terms, "all=true")
    answer = client.post_object("/volumes/prune", {"filters": filters_query(terms)})
    if removed := texts(answer, "VolumesDeleted"):
        click.echo("Deleted Volumes:\n" + "\n".join(removed) + "\n")
    click.echo(f"Total reclaimed space: {size(number(answer, 'SpaceReclaimed'))}")
