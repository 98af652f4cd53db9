"""`fairlead trace`: why one end reaches another or does not, hop by hop.

It changes nothing. The exit status is 0 when the packet arrives and its answer returns, 1 when not, 2 when it cannot be
told from here, or there is no such container.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import click

from fairlead.cli.client import Client
from fairlead.cli.command import command, pass_client
from fairlead.cli.faults import Fault
from fairlead.cli.fields import Json, number, objects, text

STATUS = {"reaches": 0, "does not reach": 1}
CANNOT_TELL = 2
_MARKS = {"": " ", "stops": "x", "unsure": "?"}


@command("trace", help="Show why one end reaches another or does not, hop by hop")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--proto", default="", help='Protocol: "tcp", "udp", "sctp" or "icmp" (tcp when there is a port)')
@click.option("--port", type=int, default=0, help="Port of TO; the same as TO:PORT")
@click.option("--send", is_flag=True, help="Send one packet too, and say whether it fared as foretold")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON")
@pass_client
def trace(client: Client, source: str, target: str, proto: str, port: int, send: bool, as_json: bool) -> None:
    """FROM is a container, `host`, or `outside[:ADDRESS]`; TO a container, a name, an address, or `host`, with or
    without `:PORT`."""
    query: dict[str, str | int | bool | list[str] | None] = {"from": source, "to": target, "proto": proto, "port": port}
    try:
        found = client.get_object("/fairlead/trace", {**query, "send": send})
    except Fault as fault:
        raise Fault(fault.text, CANNOT_TELL) from fault
    click.echo(json.dumps(found, indent=4) if as_json else "\n".join(lines(found)))
    sys.exit(STATUS.get(text(found, "Verdict"), CANNOT_TELL))


def lines(found: Json) -> Iterator[str]:
    """The answer for people: a line for each hop, below it where that is written."""
    hops = objects(found, "Hops")
    width = max((len(text(hop, "Place")) for hop in hops), default=0)
    for hop in hops:
        mark = _MARKS.get(text(hop, "Verdict"), " ")
        yield f"{number(hop, 'Number'):>2} {mark} {text(hop, 'Place'):<{width}}  {text(hop, 'Told')}"
        if where := text(hop, "Where"):
            yield f"{'':>{width + 7}}[{where}]"
    yield ""
    yield text(found, "Told")
    if remedy := text(found, "Remedy"):
        yield f"  -> {remedy}"
    if tried := text(found, "Tried"):
        yield f"{tried}" + ("" if found.get("Agrees") else ", which is not what was foretold")
