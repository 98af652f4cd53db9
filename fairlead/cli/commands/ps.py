"""`ps`: the list of containers."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click

from fairlead.cli.client import Client
from fairlead.cli.command import Flags, command, filters_query, pass_client
from fairlead.cli.fields import Json, mapping, number, objects, text, texts
from fairlead.cli.format.table import Listing
from fairlead.cli.format.units import go_time, since, size
from fairlead.cli.rows import displayed_ports, ellipsis, labels_of, moment_of, short

COLUMNS = r"{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"

CONTAINERS = Listing(
    {
        "Command": "COMMAND",
        "CreatedAt": "CREATED AT",
        "ID": "CONTAINER ID",
        "Image": "IMAGE",
        "Labels": "LABELS",
        "LocalVolumes": "LOCAL VOLUMES",
        "Mounts": "MOUNTS",
        "Names": "NAMES",
        "Networks": "NETWORKS",
        "Ports": "PORTS",
        "RunningFor": "CREATED",
        "Size": "SIZE",
        "State": "STATE",
        "Status": "STATUS",
    },
    COLUMNS,
)


def container_row(container: Json, no_trunc: bool = False) -> Mapping[str, object]:
    names = [name.removeprefix("/") for name in texts(container, "Names")]
    mounts = [text(mount, "Name") or text(mount, "Source") for mount in objects(container, "Mounts")]
    created = moment_of(container, "Created")
    return {
        "Command": json.dumps(_cut(text(container, "Command"), no_trunc, 20), ensure_ascii=False),
        "CreatedAt": go_time(created),
        "ID": short(text(container, "Id"), no_trunc),
        "Image": _image(container, no_trunc),
        "Labels": labels_of(container),
        "LocalVolumes": str(sum(text(mount, "Driver") == "local" for mount in objects(container, "Mounts"))),
        "Mounts": ",".join(_cut(mount, no_trunc, 15) for mount in mounts),
        "Names": ",".join(names) if no_trunc else ",".join(name for name in names if "/" not in name),
        "Networks": ",".join(sorted(mapping(container, "NetworkSettings", "Networks"))),
        "Ports": displayed_ports(objects(container, "Ports")),
        "RunningFor": since(created),
        "Size": _size(container),
        "State": text(container, "State"),
        "Status": text(container, "Status"),
        "Label": lambda name: text(container, "Labels", name),
    }


def _cut(words: str, no_trunc: bool, width: int) -> str:
    return words if no_trunc else ellipsis(words, width)


def _image(container: Json, no_trunc: bool) -> str:
    image = text(container, "Image")
    return short(image) if image.startswith("sha256:") and not no_trunc else image or "<no image>"


def _size(container: Json) -> str:
    own, whole = number(container, "SizeRw"), number(container, "SizeRootFs")
    return f"{size(own, 3)} (virtual {size(whole, 3)})" if whole else size(own, 3)


@command("ps", help="List containers")
@click.option("-a", "--all", "everything", is_flag=True, help="Show all containers (default shows just running)")
@click.option("-f", "--filter", "terms", multiple=True, help="Filter output based on conditions provided")
@click.option("--format", "template", default="", help="Format output using 'table', 'json' or a Go template")
@click.option("-n", "--last", type=int, default=-1, help="Show n last created containers (includes all states)")
@click.option("-l", "--latest", is_flag=True, help="Show the latest created container (includes all states)")
@click.option("--no-trunc", is_flag=True, help="Don't truncate output")
@click.option("-q", "--quiet", is_flag=True, help="Only display container IDs")
@click.option("-s", "--size", "sizes", is_flag=True, help="Display total file sizes")
@pass_client
def ps(client: Client, /, **values: object) -> None:
    flags = Flags(values)
    template, quiet, no_trunc = flags.text("template"), flags.given("quiet"), flags.given("no_trunc")
    found = client.get_list(
        "/containers/json",
        {
            "all": flags.given("everything"),
            "limit": 1 if flags.given("latest") else max(flags.number("last"), 0),
            "size": flags.given("sizes") or ".Size" in template,
            "filters": filters_query(tuple(flags.words("terms"))),
        },
    )
    if flags.given("sizes") and not template and not quiet:
        template = "table " + COLUMNS + r"\t{{.Size}}"
    click.echo(CONTAINERS.render([container_row(one, no_trunc) for one in found], template, quiet), nl=False)
