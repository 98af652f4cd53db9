"""The lists of a service's spec: what `create` sets with `--env`, `update` changes with `--env-add` and `--env-rm`.

Every entry has a key, and an added one takes the place of the entry with the same key.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fairlead.cli.client import Client
from fairlead.cli.command import Flags
from fairlead.cli.faults import USAGE, Fault
from fairlead.cli.fields import Json, text
from fairlead.cli.mounts import mounts_of
from fairlead.cli.pairs import environment_of, pairs_of
from fairlead.cli.publish import port_bindings
from fairlead.cli.service_spec import CONTAINER, place

Entries = list[object]


@dataclass(frozen=True, slots=True)
class Field:
    """Where the list is, how its words are read, the key of an entry, and which key a word to remove names."""

    flag: str
    path: tuple[str, ...]
    read: Callable[[list[str], Client], Entries]
    key: Callable[[object], str]
    named: Callable[[str], str] = str


def apply_lists(spec: Json, flags: Flags, client: Client, verbs: tuple[str, str]) -> None:
    """`verbs` are what stands behind the flag's name to add and to remove: ("", "") to create, ("_add", "_rm")."""
    add, remove = verbs
    for field in FIELDS:
        less = {field.named(word) for word in flags.words(field.flag + remove)} if remove else set()
        more = field.read(flags.words(field.flag + add), client)
        if not (less or more):
            continue
        owner = place(spec, field.path[:-1])
        present = owner.get(field.path[-1])
        replaced = less | {field.key(entry) for entry in more}
        kept = [entry for entry in (present if isinstance(present, list) else []) if field.key(entry) not in replaced]
        owner[field.path[-1]] = [*kept, *more]
    for flag, path in MAPS.items():
        changed = pairs_of(flags.words(flag + add))
        gone = flags.words(flag + remove) if remove else []
        if changed or gone:
            owner = place(spec, path[:-1])
            present = owner.get(path[-1])
            merged = {**(present if isinstance(present, dict) else {}), **changed}
            owner[path[-1]] = {key: value for key, value in merged.items() if key not in gone}


MAPS: dict[str, tuple[str, ...]] = {
    "container_label": (*CONTAINER, "Labels"),
    "label": ("Labels",),
    "log_opt": ("TaskTemplate", "LogDriver", "Options"),
    "sysctl": (*CONTAINER, "Sysctls"),
}


# --- reading words --------------------------------------------------------------------------------


def _plain(words: list[str], _: Client) -> Entries:
    return list(words)


def _environment(words: list[str], _: Client) -> Entries:
    return list(environment_of(words))


def _preferences(words: list[str], _: Client) -> Entries:
    return [_preference(word) for word in words]


def _preference(word: str) -> Json:
    strategy, separator, descriptor = word.partition("=")
    if not separator:
        raise Fault(
            f'invalid argument "{word}" for "--placement-pref" flag: placement preference must be of the '
            'format "<strategy>=<arg>"',
            USAGE,
        )
    if strategy != "spread":
        raise Fault(f"unsupported placement preference {strategy} (only spread is supported)", USAGE)
    return {"Spread": {"SpreadDescriptor": descriptor}}


def _hosts(words: list[str], _: Client) -> Entries:
    """HOST:IP as a line of the hosts file."""
    found: Entries = []
    for word in words:
        name, separator, address = word.replace("=", ":", 1).partition(":")
        if not (separator and name and address):
            raise Fault(f'bad format for add-host: "{word}"', USAGE)
        found.append(f"{address} {name}")
    return found


def _ulimits(words: list[str], _: Client) -> Entries:
    found: Entries = []
    for word in words:
        name, separator, limits = word.partition("=")
        soft, colon, hard = limits.partition(":")
        if (
            not separator
            or (colon and not hard)
            or not all(limit.removeprefix("-").isdecimal() for limit in (soft, hard or soft))
        ):
            raise Fault(f'invalid argument "{word}" for "--ulimit" flag: invalid ulimit argument: {word}', USAGE)
        found.append({"Name": name, "Soft": int(soft), "Hard": int(hard or soft)})
    return found


def _resources(words: list[str], _: Client) -> Entries:
    found: Entries = []
    for word in words:
        kind, equals, count = word.partition("=")
        if not (equals and count.isdecimal()):
            raise Fault(f'invalid argument "{word}" for "--generic-resource" flag: must be KIND=NUMBER', USAGE)
        found.append({"DiscreteResourceSpec": {"Kind": kind, "Value": int(count)}})
    return found


def _mounts(words: list[str], _: Client) -> Entries:
    return list(mounts_of(words))


def _networks(words: list[str], client: Client) -> Entries:
    return [_network(word, client) for word in words]


def _network(word: str, client: Client) -> Json:
    fields = _fields(word, "name")
    found = client.get_object(f"/networks/{fields.pop('name', [''])[0]}", {"scope": "swarm"})
    joined: Json = {"Target": text(found, "Id")}
    if aliases := fields.get("alias"):
        joined["Aliases"] = aliases
    if options := fields.get("driver-opt"):
        joined["DriverOpts"] = pairs_of(options)
    return joined


def _fields(word: str, alone: str) -> dict[str, list[str]]:
    """{"source": ["a"], ...} of "source=a,target=b"; a word without "=" is `alone`'s value."""
    if "=" not in word:
        return {alone: [word]}
    fields: dict[str, list[str]] = {}
    for part in next(csv.reader([word])):
        key, separator, value = part.partition("=")
        if not separator:
            raise Fault(f"invalid field '{part}' must be a key=value pair", USAGE)
        fields.setdefault(key.strip().lower(), []).append(value)
    return fields


def _ports(words: list[str], _: Client) -> Entries:
    return [port for word in words for port in _published(word)]


def _published(word: str) -> Iterable[Json]:
    """`8080:80/udp` and its like, or published=8080,target=80,protocol=udp,mode=host."""
    mode = "ingress"
    if "=" in word:
        fields = _fields(word, "target")
        if unknown := set(fields) - {"published", "target", "protocol", "mode"}:
            raise Fault(f"invalid field key {sorted(unknown)[0]}", USAGE)
        mode = fields.get("mode", ["ingress"])[0]
        if mode not in ("ingress", "host"):
            raise Fault(
                _bad_port(word, f"invalid publish mode value ({mode}): must be either 'ingress' or 'host'"), USAGE
            )
        if "target" not in fields:
            raise Fault(_bad_port(word, "missing mandatory field 'target'"), USAGE)
        published = fields.get("published", [""])[0]
        word = f"{published}:{fields['target'][0]}/{fields.get('protocol', ['tcp'])[0]}"
    try:
        published_ports = port_bindings([word])
    except Fault as fault:
        raise Fault(_bad_port(word, fault.text), USAGE) from fault
    for inside, bindings in published_ports.items():
        target, _, protocol = inside.partition("/")
        for binding in bindings:
            if binding["HostIp"]:
                raise Fault(_bad_port(word, "hostip is not supported"), USAGE)
            port: Json = {"Protocol": protocol, "TargetPort": int(target), "PublishMode": mode}
            if binding["HostPort"]:
                port["PublishedPort"] = int(binding["HostPort"])
            yield port


def _bad_port(word: str, reason: str) -> str:
    return f'invalid argument "{word}" for "-p, --publish" flag: {reason}'


def _files(kind: str) -> Callable[[list[str], Client], Entries]:
    def read(words: list[str], client: Client) -> Entries:
        return [_file(kind, word, client) for word in words]

    return read


def _file(kind: str, word: str, client: Client) -> Json:
    """NAME, or source=NAME,target=PATH,uid=0,gid=0,mode=0444."""
    fields = {key: values[0] for key, values in _fields(word, "source").items()}
    name = fields.get("source") or fields.get("src") or ""
    if not name:
        raise Fault("source is required", USAGE)
    found = client.get_object(f"/{kind}s/{name}")
    word = kind.capitalize()
    target = fields.get("target") or fields.get("dst") or (f"/{name}" if kind == "config" else name)
    file: Json = {
        "Name": target,
        "UID": fields.get("uid", "0"),
        "GID": fields.get("gid", "0"),
        "Mode": int(fields.get("mode", "0444"), 8),
    }
    return {"File": file, f"{word}ID": text(found, "ID"), f"{word}Name": text(found, "Spec", "Name")}


# --- keys -----------------------------------------------------------------------------------------


def _itself(entry: object) -> str:
    return str(entry)


def _before_equals(entry: object) -> str:
    return str(entry).partition("=")[0]


def _of(*path: str) -> Callable[[object], str]:
    return lambda entry: text(entry, *path)


def _port_key(entry: object) -> str:
    return f"{text(entry, 'TargetPort')}/{text(entry, 'Protocol') or 'tcp'}"


def _port_named(word: str) -> str:
    return word if "/" in word else f"{word}/tcp"


def _host_key(entry: object) -> str:
    return str(entry).partition(" ")[2]


FIELDS = (
    Field("env", (*CONTAINER, "Env"), _environment, _before_equals),
    Field("group", (*CONTAINER, "Groups"), _plain, _itself),
    Field("host", (*CONTAINER, "Hosts"), _hosts, _host_key, lambda word: word.partition(":")[0]),
    Field("mount", (*CONTAINER, "Mounts"), _mounts, _of("Target")),
    Field("secret", (*CONTAINER, "Secrets"), _files("secret"), _of("SecretName")),
    Field("config", (*CONTAINER, "Configs"), _files("config"), _of("ConfigName")),
    Field("ulimit", (*CONTAINER, "Ulimits"), _ulimits, _of("Name")),
    Field("dns", (*CONTAINER, "DNSConfig", "Nameservers"), _plain, _itself),
    Field("dns_option", (*CONTAINER, "DNSConfig", "Options"), _plain, _itself),
    Field("dns_search", (*CONTAINER, "DNSConfig", "Search"), _plain, _itself),
    Field("constraint", ("TaskTemplate", "Placement", "Constraints"), _plain, _itself),
    Field(
        "placement_pref",
        ("TaskTemplate", "Placement", "Preferences"),
        _preferences,
        _of("Spread", "SpreadDescriptor"),
        lambda word: word.partition("=")[2],
    ),
    Field(
        "generic_resource",
        ("TaskTemplate", "Resources", "Reservations", "GenericResources"),
        _resources,
        _of("DiscreteResourceSpec", "Kind"),
    ),
    Field("publish", ("EndpointSpec", "Ports"), _ports, _port_key, _port_named),
)
"""Networks are apart: what is removed is named by name and kept by id."""


def apply_networks(spec: Json, flags: Flags, client: Client, verbs: tuple[str, str]) -> None:
    add, remove = verbs
    more = _networks(flags.words("network" + add), client)
    gone = flags.words("network" + remove) if remove else []
    if not (more or gone):
        return
    ids = {text(client.get_object(f"/networks/{name}", {"scope": "swarm"}), "Id") for name in gone}
    template = place(spec, ("TaskTemplate",))
    present = template.get("Networks")
    replaced = ids | {text(entry, "Target") for entry in more}
    kept = [one for one in (present if isinstance(present, list) else []) if text(one, "Target") not in replaced]
    template["Networks"] = [*kept, *more]
