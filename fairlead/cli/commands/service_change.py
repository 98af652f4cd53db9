"""`service create`, `update`, `scale`, `rollback`."""

from __future__ import annotations

import json
import shlex

import click

from fairlead.cli.client import JSON_HEADERS, Client
from fairlead.cli.command import Flags, command, pass_client
from fairlead.cli.commands.transfer import registry_auth
from fairlead.cli.converge import wait_for
from fairlead.cli.faults import DaemonRefused, Fault
from fairlead.cli.fields import Json, mapping, number, text, texts
from fairlead.cli.pairs import environment_of
from fairlead.cli.service_flags import create_flags, update_flags
from fairlead.cli.service_lists import apply_lists, apply_networks
from fairlead.cli.service_spec import CONTAINER, apply_flags, place

MODES = {
    "replicated": "Replicated",
    "global": "Global",
    "replicated-job": "ReplicatedJob",
    "global-job": "GlobalJob",
}
UNPINNED = """image {0} could not be accessed on a registry to record
its digest. Each node will access {0} independently,
possibly leading to different nodes running different
versions of the image.
"""


@command("create", help="Create a new service", words_follow=True)
@click.option("--name", default="", help="Service name")
@click.option("--mode", default="replicated", help="Service mode (replicated, global, replicated-job, global-job)")
@create_flags
@click.argument("image", metavar="IMAGE")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND] [ARG...]")
@pass_client
def create(client: Client, /, name: str, mode: str, image: str, words: tuple[str, ...], **values: object) -> None:
    flags = Flags(values)
    if mode not in MODES:
        raise Fault(f"Unknown mode: {mode}, only replicated and global supported")
    spec: Json = {"Name": name, "Labels": {}, "Mode": {MODES[mode]: {}}, "EndpointSpec": {"Mode": "vip"}}
    container = place(spec, CONTAINER)
    container |= {"Image": _tagged(image), "Args": list(words), "Init": False, "DNSConfig": {}}
    container["Env"] = environment_of(flags.words("env"), flags.words("env_file"))
    apply_flags(spec, flags)
    apply_lists(spec, flags, client, ("", ""))
    apply_networks(spec, flags, client, ("", ""))
    warning = "" if flags.given("no_resolve_image") else _pin(client, container)
    answer = _send(client, "/services/create", {}, spec, flags)
    _warn(warning)
    service_id = text(answer, "ID")
    click.echo(service_id)
    if not flags.given("detach"):
        wait_for(client, service_id, flags.given("quiet"))


@command("update", help="Update a service")
@click.option("--args", "words", default=None, help="Service command args")
@click.option("--force", is_flag=True, help="Force update even if no changes require it")
@click.option("--image", default=None, help="Service image tag")
@click.option("--rollback", "back", is_flag=True, help="Rollback to previous specification")
@update_flags
@click.argument("service", metavar="SERVICE")
@pass_client
def update(client: Client, /, service: str, **values: object) -> None:
    flags = Flags(values)
    found = client.get_object(f"/services/{service}")
    if flags.given("back"):
        _roll_back(client, found)
    else:
        spec = mapping(found, "Spec")
        warning = _change(client, spec, flags)
        query = {"version": text(found, "Version", "Index"), "registryAuthFrom": "spec"}
        _send(client, f"/services/{text(found, 'ID')}/update", query, spec, flags)
        _warn(warning)
    click.echo(service)
    if not flags.given("detach"):
        wait_for(client, text(found, "ID"), flags.given("quiet"))


def _change(client: Client, spec: Json, flags: Flags) -> str:
    """A warning, or ""."""
    container, warning = place(spec, CONTAINER), ""
    if (words := flags.value("words")) is not None:
        container["Args"] = shlex.split(str(words))
    if (image := flags.value("image")) is not None:
        container["Image"] = _tagged(str(image))
        warning = "" if flags.given("no_resolve_image") else _pin(client, container)
    if flags.given("force"):
        template = place(spec, ("TaskTemplate",))
        template["ForceUpdate"] = number(template, "ForceUpdate") + 1
    apply_flags(spec, flags)
    apply_lists(spec, flags, client, ("_add", "_rm"))
    apply_networks(spec, flags, client, ("_add", "_rm"))
    return warning


@command("rollback", help="Revert changes to a service's configuration")
@click.option("-d", "--detach/--no-detach", "detach", default=False, help="Exit immediately")
@click.option("-q", "--quiet", is_flag=True, help="Suppress progress output")
@click.argument("service", metavar="SERVICE")
@pass_client
def rollback(client: Client, service: str, detach: bool, quiet: bool) -> None:
    found = client.get_object(f"/services/{service}")
    _roll_back(client, found)
    click.echo(service)
    if not detach:
        wait_for(client, text(found, "ID"), quiet)


def _roll_back(client: Client, found: Json) -> None:
    query = {"version": text(found, "Version", "Index"), "rollback": "previous"}
    _send(client, f"/services/{text(found, 'ID')}/update", query, mapping(found, "Spec"))


@command("scale", help="Scale one or multiple replicated services")
@click.option("-d", "--detach/--no-detach", "detach", default=False, help="Exit immediately")
@click.argument("scales", nargs=-1, required=True, metavar="SERVICE=REPLICAS [SERVICE=REPLICAS...]")
@pass_client
def scale(client: Client, detach: bool, scales: tuple[str, ...]) -> None:
    wanted = [_scale(word) for word in scales]
    reasons: list[str] = []
    scaled: list[str] = []
    for name, count in wanted:
        try:
            scaled.append(_scaled(client, name, count))
        except Fault as fault:
            reasons.append(f"{name}: {fault.text}")
        else:
            click.echo(f"{name} scaled to {count}")
    if not detach:
        for service_id in scaled:
            wait_for(client, service_id, False)
    if reasons:
        raise Fault("\n".join(reasons))


_SCALE_USAGE = """See 'fairlead service scale --help'.

Usage:  fairlead service scale SERVICE=REPLICAS [SERVICE=REPLICAS...]

Scale one or multiple replicated services"""


def _scale(word: str) -> tuple[str, str]:
    name, separator, count = word.partition("=")
    if not (name and separator):
        raise Fault(f"invalid scale specifier '{word}'.\n{_SCALE_USAGE}")
    return name, count


def _scaled(client: Client, name: str, count: str) -> str:
    if not (count.isdecimal() and count.isascii()):
        raise Fault(f'invalid replicas value {count}: strconv.ParseUint: parsing "{count}": invalid syntax')
    found = client.get_object(f"/services/{name}")
    spec = mapping(found, "Spec")
    mode = place(spec, ("Mode",))
    if "Replicated" in mode:
        place(mode, ("Replicated",))["Replicas"] = int(count)
    elif "ReplicatedJob" in mode:
        place(mode, ("ReplicatedJob",))["TotalCompletions"] = int(count)
    else:
        raise Fault("scale can only be used with replicated or replicated-job mode")
    query = {"version": text(found, "Version", "Index")}
    _send(client, f"/services/{text(found, 'ID')}/update", query, spec)
    return text(found, "ID")


# --- images and their registries ------------------------------------------------------------------


def _tagged(image: str) -> str:
    return image if "@" in image or ":" in image.rpartition("/")[2] else f"{image}:latest"


def _pin(client: Client, container: Json) -> str:
    """Ask for the digest, so that every node runs the same. Where nobody tells it, a warning is the answer, for when
    the service was taken."""
    image = text(container, "Image")
    if "@" in image:
        return ""
    try:
        found = client.get_object(f"/distribution/{image}/json")
    except DaemonRefused:
        return UNPINNED.format(image)
    container["Image"] = f"{image}@{text(found, 'Descriptor', 'digest')}"
    return ""


def _warn(warning: str) -> None:
    if warning:
        click.echo(warning, err=True)


def _send(client: Client, path: str, query: dict[str, str], spec: Json, flags: Flags | None = None) -> Json:
    headers = dict(JSON_HEADERS)
    if flags is not None and flags.given("with_registry_auth"):
        headers |= registry_auth(text(spec, *CONTAINER, "Image"))
    answer = client.request("POST", path, query, json.dumps(spec).encode(), headers).json()
    if not isinstance(answer, dict):
        raise Fault(f"the daemon's answer to {path} is not an object")
    for warning in texts(answer, "Warnings"):
        click.echo(warning, err=True)
    return answer
