"""`events`: what happens on the node, as it happens."""

from __future__ import annotations

import json

import click

from fairlead.cli.client import Client
from fairlead.cli.command import command, filters_query, pass_client
from fairlead.cli.fields import Json, mapping, number, text
from fairlead.cli.format.template import Template
from fairlead.cli.moments import local_nanoseconds, timestamp


@command("events", help="Get real time events from the server")
@click.option("-f", "--filter", "terms", multiple=True, help="Filter output based on conditions provided")
@click.option("--format", "template", default="", help="Go template or 'json'")
@click.option("--since", default="", help="Show all events created since timestamp")
@click.option("--until", default="", help="Stream events until this timestamp")
@pass_client
def events(client: Client, terms: tuple[str, ...], template: str, since: str, until: str) -> None:
    shape = Template(template) if template not in ("", "json") else None
    query = {"since": timestamp(since), "until": timestamp(until), "filters": filters_query(terms)}
    for event in client.request("GET", "/events", query).lines():
        if template == "json":
            click.echo(json.dumps(event, separators=(",", ":"), ensure_ascii=False))
        else:
            click.echo(shape.render(event) if shape else _line(event))


def _line(event: Json) -> str:
    attributes = mapping(event, "Actor", "Attributes")
    told = ", ".join(f"{key}={attributes[key]}" for key in sorted(attributes))
    words = [local_nanoseconds(number(event, "timeNano")), text(event, "Type"), text(event, "Action")]
    return " ".join([*words, text(event, "Actor", "ID")]) + (f" ({told})" if told else "")
