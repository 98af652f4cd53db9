"""`secret` and `config`: create, ls, inspect, rm; one set of commands for both."""

from __future__ import annotations

import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from fairlead.cli.client import Client
from fairlead.cli.command import command, filters_query, on_each, pass_client
from fairlead.cli.commands.inspect import show_each
from fairlead.cli.faults import Fault
from fairlead.cli.fields import Json, mapping, text
from fairlead.cli.format.table import Listing
from fairlead.cli.format.units import parse_time, since
from fairlead.cli.pairs import pairs_of
from fairlead.cli.rows import go_moment, natural

_HEADERS = {
    "ID": "ID",
    "Name": "NAME",
    "Driver": "DRIVER",
    "CreatedAt": "CREATED",
    "UpdatedAt": "UPDATED",
    "Labels": "LABELS",
}
LISTINGS = {
    "secret": Listing(_HEADERS, r"{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.CreatedAt}}\t{{.UpdatedAt}}"),
    "config": Listing(_HEADERS, r"{{.ID}}\t{{.Name}}\t{{.CreatedAt}}\t{{.UpdatedAt}}"),
}


def file_row(file: Json) -> Mapping[str, object]:
    labels = mapping(file, "Spec", "Labels")
    return {
        "CreatedAt": _ago(file, "CreatedAt"),
        "Driver": text(file, "Spec", "Driver", "Name"),
        "ID": text(file, "ID"),
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        "Name": text(file, "Spec", "Name"),
        "UpdatedAt": _ago(file, "UpdatedAt"),
        "Label": lambda name: text(labels, name),
    }


_TABS, _WIDE = "\t\t\t", " " * 12 + "\t"


def _ago(file: Json, key: str) -> str:
    moment = parse_time(text(file, key))
    return since(moment) if moment else ""


def _create(kind: str) -> click.Command:
    @command("create", help=f"Create a {kind} from a file or STDIN")
    @click.option("-l", "--label", "labels", multiple=True, help=f"{kind.capitalize()} labels")
    @click.option("--template-driver", default="", help="Template driver")
    @click.option("-d", "--driver", default="", help="Secret driver", hidden=kind == "config")
    @click.argument("name", metavar=kind.upper())
    @click.argument("file", required=False, default="", metavar="[file|-]")
    @pass_client
    def create(
        client: Client, labels: tuple[str, ...], template_driver: str, driver: str, name: str, file: str
    ) -> None:
        body: Json = {"Name": name, "Labels": pairs_of(labels)}
        if driver:
            body["Driver"] = {"Name": driver}
        if template_driver:
            body["Templating"] = {"Name": template_driver}
        if file or not driver:
            body["Data"] = b64encode(_content(file)).decode()
        click.echo(text(client.post_object(f"/{kind}s/create", value=body), "ID"))

    return create


def _content(file: str) -> bytes:
    if file in ("", "-"):
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise Fault(f"error reading content from {file!r}: {(error.strerror or '').lower()}") from error


def _ls(kind: str) -> click.Command:
    @command("ls", help=f"List {kind}s")
    @click.option("-f", "--filter", "terms", multiple=True, help="Filter output based on conditions provided")
    @click.option("--format", "template", default="", help="Format output using 'table', 'json' or a Go template")
    @click.option("-q", "--quiet", is_flag=True, help="Only display IDs")
    @pass_client
    def ls(client: Client, terms: tuple[str, ...], template: str, quiet: bool) -> None:
        found = client.get_list(f"/{kind}s", {"filters": filters_query(terms)})
        rows = [file_row(one) for one in sorted(found, key=lambda one: natural(text(one, "Spec", "Name")))]
        click.echo(LISTINGS[kind].render(rows, template, quiet), nl=False)

    return ls


def _inspect(kind: str) -> click.Command:
    @command("inspect", help=f"Display detailed information on one or more {kind}s")
    @click.option("-f", "--format", "template", default="", help="Go template or 'json'")
    @click.option("--pretty", is_flag=True, help="Print the information in a human friendly format")
    @click.argument("names", nargs=-1, required=True, metavar=f"{kind.upper()} [{kind.upper()}...]")
    @pass_client
    def inspect(client: Client, template: str, pretty: bool, names: tuple[str, ...]) -> None:
        if not pretty:
            show_each(names, template, lambda name: client.get_object(f"/{kind}s/{name}"))
            return
        for name in names:
            click.echo("\n".join(_lines(kind, client.get_object(f"/{kind}s/{name}"))))

    return inspect


def _lines(kind: str, file: Json) -> Iterator[str]:
    """Docker sets one with spaces and the other with tabs."""
    secret = kind == "secret"
    yield f"ID:{' ' * 14 if secret else _TABS}{text(file, 'ID')}"
    yield f"Name:{' ' * 14 if secret else _TABS}{text(file, 'Spec', 'Name')}"
    if labels := mapping(file, "Spec", "Labels"):
        yield "Labels:"
        yield from (f" - {key}={value}" for key, value in sorted(labels.items()))
    if secret:
        yield f"Driver:{' ' * 12}{text(file, 'Spec', 'Driver', 'Name')}"
    for word, key in (("Created at:", "CreatedAt"), ("Updated at:", "UpdatedAt")):
        yield f"{word}{' ' * 8 if secret else _WIDE}{go_moment(text(file, key))}"
    if data := text(file, "Spec", "Data"):
        yield "Data:"
        yield b64decode(data).decode(errors="replace")


def _rm(kind: str) -> click.Command:
    @command("rm", help=f"Remove one or more {kind}s")
    @click.argument("names", nargs=-1, required=True, metavar=f"{kind.upper()} [{kind.upper()}...]")
    @pass_client
    def rm(client: Client, names: tuple[str, ...]) -> None:
        on_each(names, lambda name: bool(client.delete(f"/{kind}s/{name}")) or True)

    return rm


secret_create, secret_ls, secret_inspect, secret_rm = (make("secret") for make in (_create, _ls, _inspect, _rm))
config_create, config_ls, config_inspect, config_rm = (make("config") for make in (_create, _ls, _inspect, _rm))
