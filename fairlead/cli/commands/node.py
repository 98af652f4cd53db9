"""`node`: ls, inspect, ps, update, promote, demote, rm."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import click

from fairlead.cli.client import Client
from fairlead.cli.command import Flags, command, filters_query, on_each, pass_client
from fairlead.cli.commands.inspect import show_each
from fairlead.cli.faults import Fault
from fairlead.cli.fields import Json, flag, mapping, text
from fairlead.cli.format.table import Listing
from fairlead.cli.node_pretty import node_text
from fairlead.cli.pairs import pairs_of
from fairlead.cli.rows import natural
from fairlead.cli.task_rows import tasks_text

NODES = Listing(
    {
        "ID": "ID",
        "Self": "",
        "Hostname": "HOSTNAME",
        "Status": "STATUS",
        "Availability": "AVAILABILITY",
        "ManagerStatus": "MANAGER STATUS",
        "EngineVersion": "ENGINE VERSION",
        "TLSStatus": "TLS STATUS",
    },
    r"{{.ID}} {{if .Self}}*{{else}} {{end}}\t{{.Hostname}}\t{{.Status}}\t{{.Availability}}\t{{.ManagerStatus}}"
    r"\t{{.EngineVersion}}",
)


def node_row(node: Json, own_id: str, root: str) -> Mapping[str, object]:
    manager = mapping(node, "ManagerStatus")
    return {
        "Availability": text(node, "Spec", "Availability").capitalize(),
        "EngineVersion": text(node, "Description", "Engine", "EngineVersion"),
        "Hostname": text(node, "Description", "Hostname"),
        "ID": text(node, "ID"),
        "ManagerStatus": "Leader" if flag(manager, "Leader") else text(manager, "Reachability").capitalize(),
        "Self": text(node, "ID") == own_id,
        "Status": text(node, "Status", "State").capitalize(),
        "TLSStatus": "Ready" if text(node, "Description", "TLSInfo", "TrustRoot") == root else "Needs Rotation",
    }


@command("ls", help="List nodes in the swarm")
@click.option("-f", "--filter", "terms", multiple=True, help="Filter output based on conditions provided")
@click.option("--format", "template", default="", help="Format output using 'table', 'json' or a Go template")
@click.option("-q", "--quiet", is_flag=True, help="Only display IDs")
@pass_client
def ls(client: Client, terms: tuple[str, ...], template: str, quiet: bool) -> None:
    nodes = client.get_list("/nodes", {"filters": filters_query(terms)})
    swarm = {} if quiet else mapping(client.get("/info"), "Swarm")
    root = text(swarm, "Cluster", "TLSInfo", "TrustRoot")
    rows = [
        node_row(node, text(swarm, "NodeID"), root)
        for node in sorted(nodes, key=lambda node: natural(text(node, "Description", "Hostname")))
    ]
    click.echo(NODES.render(rows, template, quiet), nl=False)


def _id_of(client: Client, name: str) -> str:
    """ "self" is the node that is asked."""
    if name != "self":
        return name
    own = text(client.get("/info"), "Swarm", "NodeID")
    if not own:
        client.get("/nodes")  # whose refusal tells why there is none
        raise Fault("this node is not part of a swarm")
    return own


def _find(client: Client) -> Callable[[str], Json]:
    return lambda name: client.get_object(f"/nodes/{_id_of(client, name)}")


@command("inspect", help="Display detailed information on one or more nodes")
@click.option("-f", "--format", "template", default="", help="Go template or 'json'")
@click.option("--pretty", is_flag=True, help="Print the information in a human friendly format")
@click.argument("nodes", nargs=-1, required=True, metavar="self|NODE [NODE...]")
@pass_client
def inspect(client: Client, template: str, pretty: bool, nodes: tuple[str, ...]) -> None:
    if not pretty:
        show_each(nodes, template, _find(client))
        return
    for name in nodes:
        click.echo(node_text(_find(client)(name)))


@command("ps", help="List tasks running on one or more nodes, defaults to current node")
@click.option("-f", "--filter", "terms", multiple=True, help="Filter output based on conditions provided")
@click.option("--format", "template", default="", help="Pretty-print tasks using a Go template")
@click.option("--no-resolve", is_flag=True, help="Do not map IDs to Names")
@click.option("--no-trunc", is_flag=True, help="Do not truncate output")
@click.option("-q", "--quiet", is_flag=True, help="Only display task IDs")
@click.argument("nodes", nargs=-1, metavar="[NODE...]")
@pass_client
def ps(client: Client, /, nodes: tuple[str, ...], **values: object) -> None:
    flags = Flags(values)
    ids = [text(_find(client)(name), "ID") for name in nodes or ("self",)]
    given = json.loads(filters_query(tuple(flags.words("terms"))) or "{}")
    tasks = client.get_list("/tasks", {"filters": json.dumps({**given, "node": ids})})
    click.echo(tasks_text(client, tasks, flags), nl=False)


def _change(client: Client, name: str, change: Callable[[Json], bool]) -> str:
    """Read, change, write on the version that was read; the node's id when there was nothing to change."""
    node = client.get_object(f"/nodes/{name}")
    spec = mapping(node, "Spec")
    if not change(spec):
        return text(node, "ID")
    client.post(f"/nodes/{text(node, 'ID')}/update", {"version": text(node, "Version", "Index")}, spec)
    return ""


@command("update", help="Update a node")
@click.option("--availability", default=None, help='Availability of the node ("active", "pause", "drain")')
@click.option("--label-add", "added", multiple=True, help="Add or update a node label (key=value)")
@click.option("--label-rm", "removed", multiple=True, help="Remove a node label if exists")
@click.option("--role", default=None, help='Role of the node ("worker", "manager")')
@click.argument("node", metavar="NODE")
@pass_client
def update(
    client: Client,
    availability: str | None,
    added: tuple[str, ...],
    removed: tuple[str, ...],
    role: str | None,
    node: str,
) -> None:
    def change(spec: Json) -> bool:
        if availability is not None:
            spec["Availability"] = availability
        if role is not None:
            spec["Role"] = role
        labels = {**mapping(spec, "Labels"), **pairs_of(added)}
        for key in removed:
            if key not in labels:
                raise Fault(f"key {key} doesn't exist in node's labels")
            del labels[key]
        spec["Labels"] = labels
        return True

    _change(client, node, change)
    click.echo(node)


def _become(client: Client, nodes: tuple[str, ...], role: str, done: str) -> None:
    def change(spec: Json) -> bool:
        if text(spec, "Role") == role:
            return False
        spec["Role"] = role
        return True

    for name in nodes:
        unchanged = _change(client, name, change)
        click.echo(f"Node {unchanged} is already a {role}." if unchanged else f"Node {name} {done}")


@command("promote", help="Promote one or more nodes to manager in the swarm")
@click.argument("nodes", nargs=-1, required=True, metavar="NODE [NODE...]")
@pass_client
def promote(client: Client, nodes: tuple[str, ...]) -> None:
    _become(client, nodes, "manager", "promoted to a manager in the swarm.")


@command("demote", help="Demote one or more nodes from manager in the swarm")
@click.argument("nodes", nargs=-1, required=True, metavar="NODE [NODE...]")
@pass_client
def demote(client: Client, nodes: tuple[str, ...]) -> None:
    _become(client, nodes, "worker", "demoted in the swarm.")


@command("rm", help="Remove one or more nodes from the swarm")
@click.option("-f", "--force", is_flag=True, help="Force remove a node from the swarm")
@click.argument("nodes", nargs=-1, required=True, metavar="NODE [NODE...]")
@pass_client
def rm(client: Client, force: bool, nodes: tuple[str, ...]) -> None:
    def remove(name: str) -> None:
        client.request("DELETE", f"/nodes/{name}", {"force": force}).body()

    on_each(nodes, remove)
