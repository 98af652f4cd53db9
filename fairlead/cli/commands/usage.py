"""`system df` and `system prune`: the space that things take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import click

from fairlead.cli.client import Client
from fairlead.cli.command import ask, command, filters_query, pass_client
from fairlead.cli.fields import Json, number, objects, text, texts
from fairlead.cli.format.table import Listing
from fairlead.cli.format.units import size

USAGE = Listing(
    {"Active": "ACTIVE", "Reclaimable": "RECLAIMABLE", "Size": "SIZE", "TotalCount": "TOTAL", "Type": "TYPE"},
    r"{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
    "{{.Type}}",
)


@command("df", help="Show disk usage")
@click.option("--format", "template", default="", help="Format output using 'table', 'json' or a Go template")
@pass_client
def df(client: Client, template: str) -> None:
    click.echo(USAGE.render(usage_rows(client.get_object("/system/df")), template), nl=False)


def usage_rows(answer: Json) -> list[Mapping[str, object]]:
    images, containers, volumes = (objects(answer, key) for key in ("Images", "Containers", "Volumes"))
    used_images = [image for image in images if number(image, "Containers") > 0]
    running = [one for one in containers if text(one, "State") in ("running", "paused", "restarting")]
    used_volumes = [volume for volume in volumes if number(volume, "UsageData", "RefCount") > 0]
    in_use = sum(number(image, "Size") - number(image, "SharedSize") for image in used_images)
    layers = number(answer, "LayersSize")
    return [
        _row("Images", len(images), len(used_images), layers, layers - in_use),
        _row("Containers", len(containers), len(running), _sum(containers, "SizeRw"), _idle(containers, running)),
        _row("Local Volumes", len(volumes), len(used_volumes), _space(volumes), _space(volumes) - _space(used_volumes)),
        _row("Build Cache", 0, 0, 0, 0),
    ]


def _sum(things: Iterable[Json], key: str) -> int:
    return sum(number(thing, key) for thing in things)


def _idle(containers: list[Json], running: list[Json]) -> int:
    return _sum(containers, "SizeRw") - _sum(running, "SizeRw")


def _space(volumes: Iterable[Json]) -> int:
    return sum(max(number(volume, "UsageData", "Size"), 0) for volume in volumes)


def _row(kind: str, total: int, active: int, taken: int, reclaimable: int) -> Mapping[str, object]:
    percent = f" ({100 * reclaimable // taken}%)" if taken > 0 and reclaimable else ""
    return {
        "Active": str(active),
        "Reclaimable": size(max(reclaimable, 0)) + percent,
        "Size": size(taken),
        "TotalCount": str(total),
        "Type": kind,
    }


@command("prune", help="Remove unused data")
@click.option("-a", "--all", "everything", is_flag=True, help="Remove all unused images not just dangling ones")
@click.option("--filter", "terms", multiple=True, help="Provide filter values (e.g. 'label=<key>=<value>')")
@click.option("-f", "--force", is_flag=True, help="Do not prompt for confirmation")
@click.option("--volumes", is_flag=True, help="Prune anonymous volumes")
@pass_client
def prune(client: Client, everything: bool, terms: tuple[str, ...], force: bool, volumes: bool) -> None:
    images = "unused images" if everything else "dangling images"
    kinds = ["all stopped containers", "all networks not used by at least one container"]
    kinds += [*(["all anonymous volumes not used by at least one container"] if volumes else []), f"all {images}"]
    ask(force, "WARNING! This will remove:\n" + "".join(f"  - {kind}\n" for kind in kinds))
    space = _prune(client, "containers", "ContainersDeleted", terms)
    space += _prune(client, "networks", "NetworksDeleted", terms)
    if volumes:
        space += _prune(client, "volumes", "VolumesDeleted", terms)
    space += _prune(client, "images", "ImagesDeleted", (*terms, *(("dangling=false",) if everything else ())))
    click.echo(f"Total reclaimed space: {size(space)}")


def _prune(client: Client, kind: str, key: str, terms: tuple[str, ...]) -> int:
    answer = client.post_object(f"/{kind}/prune", {"filters": filters_query(terms)})
    removed = texts(answer, key) or [_change(change) for change in objects(answer, key)]
    if removed:
        click.echo(f"Deleted {kind.capitalize()}:\n" + "\n".join(removed) + "\n")
    return number(answer, "SpaceReclaimed")


def _change(change: Json) -> str:
    return f"deleted: {change['Deleted']}" if "Deleted" in change else f"untagged: {text(change, 'Untagged')}"
