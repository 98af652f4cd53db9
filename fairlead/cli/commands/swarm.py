"""`swarm`: init, join, leave, join-token, update, ca, unlock, unlock-key."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from fairlead.cli.client import Client
from fairlead.cli.command import Flags, command, pass_client
from fairlead.cli.faults import USAGE, Fault
from fairlead.cli.fields import Json, mapping, number, objects, text
from fairlead.cli.format.units import parse_duration

PORT = 2377
LISTEN = f"0.0.0.0:{PORT}"
KEY_ADVICE = """To unlock a swarm manager after it restarts, run the `fairlead swarm unlock`
command and provide the following key:

    {}

Remember to store this key in a password manager, since without it you
will not be able to restart the manager.
"""


# --- settings ---------------------------------------------------------------------------------------


def _settings(function: Callable[..., object]) -> Callable[..., object]:
    """What `init` sets first and `update` changes."""
    for name, help_text in (
        ("--cert-expiry", "Validity period for node certificates (ns|us|ms|s|m|h)"),
        ("--dispatcher-heartbeat", "Dispatcher heartbeat period (ns|us|ms|s|m|h)"),
    ):
        function = click.option(name, default=None, help=help_text)(function)
    for name, help_text in (
        ("--max-snapshots", "Number of additional Raft snapshots to retain"),
        ("--snapshot-interval", "Number of log entries between Raft snapshots"),
        ("--task-history-limit", "Task history retention limit"),
    ):
        function = click.option(name, type=int, default=None, help=help_text)(function)
    function = click.option("--external-ca", multiple=True, help="Specifications of certificate signing endpoints")(
        function
    )
    autolock = "Enable manager autolocking (requiring an unlock key to start a stopped manager)"
    return click.option("--autolock/--no-autolock", "autolock", default=None, help=autolock)(function)


def _apply(spec: Json, flags: Flags) -> None:
    if flags.words("external_ca"):
        raise Fault("--external-ca is not supported: the swarm signs its nodes' certificates itself", USAGE)
    for name, path in _DURATIONS.items():
        if (written := flags.value(name)) is not None:
            _set(spec, path, _nanoseconds(name, str(written)))
    for name, path in _NUMBERS.items():
        if (value := flags.value(name)) is not None:
            _set(spec, path, value)
    if (autolock := flags.choice("autolock")) is not None:
        _set(spec, ("EncryptionConfig", "AutoLockManagers"), autolock)


_DURATIONS = {"cert_expiry": ("CAConfig", "NodeCertExpiry"), "dispatcher_heartbeat": ("Dispatcher", "HeartbeatPeriod")}
_NUMBERS = {
    "max_snapshots": ("Raft", "KeepOldSnapshots"),
    "snapshot_interval": ("Raft", "SnapshotInterval"),
    "task_history_limit": ("Orchestration", "TaskHistoryRetentionLimit"),
}


def _set(spec: Json, path: tuple[str, str], value: object) -> None:
    inner = spec.setdefault(path[0], {})
    if isinstance(inner, dict):
        inner[path[1]] = value


def _nanoseconds(name: str, written: str) -> int:
    try:
        return int(parse_duration(written) * 1e9)
    except ValueError as error:
        flag = "--" + name.replace("_", "-")
        raise Fault(f'invalid argument "{written}" for "{flag}" flag: {error}', USAGE) from error


# --- coming and going -------------------------------------------------------------------------------


@command("init", help="Initialize a swarm")
@click.option("--advertise-addr", default="", help='Advertised address (format: "<ip|interface>[:port]")')
@click.option("--availability", default="active", help='Availability of the node ("active", "pause", "drain")')
@click.option("--data-path-addr", default="", help="Address or interface to use for data path traffic")
@click.option("--data-path-port", type=int, default=0, help="Port number to use for data path traffic (1024 - 49151)")
@click.option("--default-addr-pool", multiple=True, help="Default address pool in CIDR format")
@click.option("--default-addr-pool-mask-length", type=int, default=24, help="Default address pool subnet mask length")
@click.option("--force-new-cluster", is_flag=True, help="Force create a new cluster from current state")
@click.option("--listen-addr", default=LISTEN, help='Listen address (format: "<ip|interface>[:port]")')
@_settings
@pass_client
def init(client: Client, /, **values: object) -> None:
    flags = Flags(values)
    spec: Json = {"Labels": {}}
    _apply(spec, flags)
    body = {
        "ListenAddr": _with_port(flags.text("listen_addr")),
        "AdvertiseAddr": flags.text("advertise_addr"),
        "DataPathAddr": flags.text("data_path_addr"),
        "DataPathPort": flags.number("data_path_port"),
        "DefaultAddrPool": flags.words("default_addr_pool"),
        "SubnetSize": flags.number("default_addr_pool_mask_length"),
        "ForceNewCluster": flags.given("force_new_cluster"),
        "AutoLockManagers": flags.choice("autolock") is True,
        "Availability": flags.text("availability"),
        "Spec": spec,
    }
    node_id = client.post("/swarm/init", value=body)
    click.echo(f"Swarm initialized: current node ({node_id}) is now a manager.\n")
    _say_join(client, "worker")
    click.echo("To add a manager to this swarm, run 'fairlead swarm join-token manager' and follow the instructions.\n")
    if flags.choice("autolock"):
        _say_key(client)


def _with_port(address: str) -> str:
    bracketed = address.startswith("[") and address.endswith("]")
    return f"{address}:{PORT}" if bracketed or ":" not in address else address


@command("join", help="Join a swarm as a node and/or manager")
@click.option("--advertise-addr", default="", help='Advertised address (format: "<ip|interface>[:port]")')
@click.option("--availability", default="active", help='Availability of the node ("active", "pause", "drain")')
@click.option("--data-path-addr", default="", help="Address or interface to use for data path traffic")
@click.option("--listen-addr", default=LISTEN, help='Listen address (format: "<ip|interface>[:port]")')
@click.option("--token", default="", help="Token for entry into the swarm")
@click.argument("remote", metavar="HOST:PORT")
@pass_client
def join(client: Client, /, remote: str, **values: object) -> None:
    flags = Flags(values)
    body = {
        "ListenAddr": _with_port(flags.text("listen_addr")),
        "AdvertiseAddr": flags.text("advertise_addr"),
        "DataPathAddr": flags.text("data_path_addr"),
        "RemoteAddrs": [_with_port(remote)],
        "JoinToken": flags.text("token"),
        "Availability": flags.text("availability"),
    }
    client.post("/swarm/join", value=body)
    manager = mapping(client.get("/info"), "Swarm").get("ControlAvailable") is True
    click.echo(f"This node joined a swarm as a {'manager' if manager else 'worker'}.")


@command("leave", help="Leave the swarm")
@click.option("-f", "--force", is_flag=True, help="Force this node to leave the swarm, ignoring warnings")
@pass_client
def leave(client: Client, force: bool) -> None:
    client.post("/swarm/leave", {"force": force})
    click.echo("Node left the swarm.")


# --- tokens and keys --------------------------------------------------------------------------------


@command("join-token", help="Manage join tokens")
@click.option("-q", "--quiet", is_flag=True, help="Only display token")
@click.option("--rotate", is_flag=True, help="Rotate join token")
@click.argument("role", metavar="(worker|manager)")
@pass_client
def join_token(client: Client, quiet: bool, rotate: bool, role: str) -> None:
    if role not in ("worker", "manager"):
        raise Fault(f"unknown role {role}")
    if rotate:
        _update(client, lambda spec: None, {f"rotate{role.capitalize()}Token": "true"})
        if not quiet:
            click.echo(f"Successfully rotated {role} join token.\n")
    if quiet:
        click.echo(text(client.get("/swarm"), "JoinTokens", role.capitalize()))
    else:
        _say_join(client, role)


def _say_join(client: Client, role: str) -> None:
    token = text(client.get("/swarm"), "JoinTokens", role.capitalize())
    swarm = mapping(client.get("/info"), "Swarm")
    own = next((one for one in objects(swarm, "RemoteManagers") if text(one, "NodeID") == text(swarm, "NodeID")), {})
    address = text(own, "Addr") or f"{text(swarm, 'NodeAddr')}:{PORT}"
    click.echo(f"To add a {role} to this swarm, run the following command:\n")
    click.echo(f"    fairlead swarm join --token {token} {address}\n")


@command("unlock", help="Unlock swarm")
@pass_client
def unlock(client: Client) -> None:
    if sys.stdin.isatty():
        key = click.prompt("Please enter unlock key", hide_input=True, err=True)
    else:
        key = sys.stdin.readline().strip()
    client.post("/swarm/unlock", value={"UnlockKey": key})


@command("unlock-key", help="Manage the unlock key")
@click.option("-q", "--quiet", is_flag=True, help="Only display token")
@click.option("--rotate", is_flag=True, help="Rotate unlock key")
@pass_client
def unlock_key(client: Client, quiet: bool, rotate: bool) -> None:
    if rotate:
        if mapping(client.get("/swarm"), "Spec", "EncryptionConfig").get("AutoLockManagers") is not True:
            raise Fault("cannot rotate because autolock is not turned on")
        _update(client, lambda spec: None, {"rotateManagerUnlockKey": "true"})
        if not quiet:
            click.echo("Successfully rotated manager unlock key.\n")
    key = text(client.get("/swarm/unlockkey"), "UnlockKey")
    if not key:
        raise Fault("no unlock key is set")
    click.echo(key if quiet else KEY_ADVICE.format(key))


def _say_key(client: Client) -> None:
    click.echo(KEY_ADVICE.format(text(client.get("/swarm/unlockkey"), "UnlockKey")))


# --- the swarm itself -------------------------------------------------------------------------------


def _update(client: Client, change: Callable[[Json], None], query: dict[str, str] | None = None) -> None:
    swarm = client.get_object("/swarm")
    spec = mapping(swarm, "Spec")
    change(spec)
    client.post("/swarm/update", {"version": text(swarm, "Version", "Index"), **(query or {})}, spec)


@command("update", help="Update the swarm")
@_settings
@pass_client
def update(client: Client, /, **values: object) -> None:
    flags = Flags(values)
    locked_before = mapping(client.get("/swarm"), "Spec", "EncryptionConfig").get("AutoLockManagers") is True
    _update(client, lambda spec: _apply(spec, flags))
    click.echo("Swarm updated.")
    if flags.choice("autolock") and not locked_before:
        _say_key(client)


@command("ca", help="Display and rotate the root CA")
@click.option("--ca-cert", type=click.Path(dir_okay=False), default=None, help="Path to the PEM-formatted root CA")
@click.option("--ca-key", type=click.Path(dir_okay=False), default=None, help="Path to the PEM-formatted root CA key")
@click.option("--cert-expiry", default=None, help="Validity period for node certificates (ns|us|ms|s|m|h)")
@click.option("-d", "--detach/--no-detach", "detach", default=False, help="Exit immediately")
@click.option("-q", "--quiet", is_flag=True, help="Suppress progress output")
@click.option("--rotate", is_flag=True, help="Rotate the swarm CA")
@pass_client
def ca(client: Client, /, **values: object) -> None:
    flags = Flags(values)
    swarm = client.get_object("/swarm")
    if not flags.given("rotate"):
        given = next((name for name in ("ca_cert", "ca_key", "cert_expiry") if flags.value(name) is not None), "")
        if given:
            raise Fault(f"`--{given.replace('_', '-')}` flag requires the `--rotate` flag to update the CA")
        _print_root(swarm)
        return
    before = text(swarm, "TLSInfo", "TrustRoot")
    _update(client, lambda spec: _order_rotation(spec, flags))
    if flags.given("detach"):
        return
    if not flags.given("quiet"):
        click.echo("rotating the root CA: waiting for the nodes' new certificates", err=True)
    while (swarm := client.get_object("/swarm")) and (
        swarm.get("RootRotationInProgress") is True or text(swarm, "TLSInfo", "TrustRoot") == before
    ):
        time.sleep(0.2)
    _print_root(swarm)


def _order_rotation(spec: Json, flags: Flags) -> None:
    config = spec.setdefault("CAConfig", {})
    assert isinstance(config, dict)
    if (expiry := flags.value("cert_expiry")) is not None:
        config["NodeCertExpiry"] = _nanoseconds("cert_expiry", str(expiry))
    for name, key in (("ca_cert", "SigningCACert"), ("ca_key", "SigningCAKey")):
        config[key] = Path(flags.text(name)).read_text() if flags.text(name) else ""
    config["ForceRotate"] = number(config, "ForceRotate") + 1


def _print_root(swarm: Json) -> None:
    click.echo(text(swarm, "TLSInfo", "TrustRoot"), nl=False)
