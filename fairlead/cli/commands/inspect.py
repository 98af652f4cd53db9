"""`inspect`: any object by name or id, as JSON or by a template."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import click

from fairlead.cli.client import Client
from fairlead.cli.command import command, pass_client
from fairlead.cli.faults import DaemonRefused, Fault, NoDaemon
from fairlead.cli.fields import Json
from fairlead.cli.format.template import Template

PLACES = {
    "container": "/containers/{}/json",
    "image": "/images/{}/json",
    "network": "/networks/{}",
    "volume": "/volumes/{}",
    "service": "/services/{}",
    "task": "/tasks/{}",
    "node": "/nodes/{}",
    "secret": "/secrets/{}",
    "config": "/configs/{}",
    "plugin": "/plugins/{}/json",
}
_OF_THE_SWARM = ("service", "task", "node", "secret", "config")
"""Other nodes refuse to look for these (503), which is no reason to stop looking."""


def show_each(names: Iterable[str], template: str, find: Callable[[str], Json]) -> None:
    """Print what was found, then the reasons for what was not; a bad template ends it at once."""
    shape = Template("{{json .}}" if template == "json" else template, strict=True) if template else None
    found: list[Json] = []
    reasons: list[str] = []
    for name in names:
        try:
            found.append(find(name))
        except NoDaemon:
            raise
        except Fault as fault:
            reasons.append(fault.text)
    if shape is not None:
        click.echo(_rendered(shape, found))
    else:
        click.echo(json.dumps(found, indent=4, ensure_ascii=False))
    if reasons:
        raise Fault("\n".join(reasons))


def _rendered(shape: Template, found: list[Json]) -> str:
    """A line for each; an object that the template does not fit ends it, after an empty line as docker has it."""
    try:
        return "\n".join(shape.render(one) for one in found)
    except Fault:
        click.echo()
        raise


@command("inspect", help="Return low-level information on objects")
@click.option("-f", "--format", "template", default="", help="Go template or 'json'")
@click.option("-s", "--size", "sizes", is_flag=True, help="Display total file sizes if the type is container")
@click.option("--type", "kind", default="", help="Only inspect objects of the given type")
@click.argument("names", nargs=-1, required=True, metavar="NAME|ID [NAME|ID...]")
@pass_client
def inspect(client: Client, template: str, sizes: bool, kind: str, names: tuple[str, ...]) -> None:
    if kind and kind not in PLACES:
        raise Fault(f'unknown type: "{kind}"')
    show_each(names, template, finder(client, kind, sizes))


def finder(client: Client, kind: str = "", sizes: bool = False) -> Callable[[str], Json]:
    """Finds an object of a kind, or of the first kind that has one of that name."""
    kinds = (kind,) if kind else tuple(PLACES)

    def find(name: str) -> Json:
        for tried in kinds:
            try:
                query = {"size": sizes and tried == "container", "insertDefaults": tried == "service"}
                return client.get_object(PLACES[tried].format(name), query)
            except DaemonRefused as refusal:
                absent = refusal.code == 404 or (refusal.code == 503 and tried in _OF_THE_SWARM)
                if not absent or kind:
                    raise
        raise Fault(f"error: no such object: {name}")

    return find
