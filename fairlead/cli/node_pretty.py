"""A node for people: `node inspect --pretty`."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.cli.fields import Json, flag, mapping, number, objects, text
from fairlead.cli.format.units import BINARY, size
from fairlead.cli.rows import go_moment


def node_text(node: Json) -> str:
    return "\n".join(_lines(node))


def _lines(node: Json) -> Iterator[str]:
    described, status, spec = mapping(node, "Description"), mapping(node, "Status"), mapping(node, "Spec")
    yield f"ID:\t\t\t{text(node, 'ID')}"
    if name := text(spec, "Name"):
        yield f"Name:\t\t\t{name}"
    if labels := mapping(spec, "Labels"):
        yield "Labels:"
        yield from (f" - {key}={value}" for key, value in sorted(labels.items()))
    yield f"Hostname:              \t{text(described, 'Hostname')}"
    yield f"Joined at:             \t{go_moment(text(node, 'CreatedAt'))}"
    yield "Status:"
    yield f" State:\t\t\t{text(status, 'State').capitalize()}"
    if message := text(status, "Message"):
        yield f" Message:              \t{message}"
    yield f" Availability:         \t{text(spec, 'Availability').capitalize()}"
    yield f" Address:\t\t{text(status, 'Addr')}"
    yield from _manager(mapping(node, "ManagerStatus"))
    yield from _host(described)
    yield from _trust(mapping(described, "TLSInfo"))


def _manager(manager: Json) -> Iterator[str]:
    if not manager:
        return
    yield "Manager Status:"
    yield f" Address:\t\t{text(manager, 'Addr')}"
    yield f" Raft Status:\t\t{text(manager, 'Reachability').capitalize()}"
    yield f" Leader:\t\t{'Yes' if flag(manager, 'Leader') else 'No'}"


def _host(described: Json) -> Iterator[str]:
    resources = mapping(described, "Resources")
    yield "Platform:"
    yield f" Operating System:\t{text(described, 'Platform', 'OS')}"
    yield f" Architecture:\t\t{text(described, 'Platform', 'Architecture')}"
    yield "Resources:"
    yield f" CPUs:\t\t\t{number(resources, 'NanoCPUs') // 1_000_000_000}"
    yield f" Memory:\t\t{size(number(resources, 'MemoryBytes'), 4, BINARY)}"
    plugins = objects(described, "Engine", "Plugins")
    if plugins:
        yield "Plugins:"
        for kind in sorted({text(one, "Type") for one in plugins}):
            names = sorted(text(one, "Name") for one in plugins if text(one, "Type") == kind)
            yield f" {kind}:\t\t{', '.join(names)}"
    yield f"Engine Version:\t\t{text(described, 'Engine', 'EngineVersion')}"
    if labels := mapping(described, "Engine", "Labels"):
        yield "Engine Labels:"
        yield from (f" - {key}={value}" for key, value in sorted(labels.items()))


def _trust(tls: Json) -> Iterator[str]:
    if not tls:
        return
    yield "TLS Info:"
    yield " TrustRoot:"
    yield text(tls, "TrustRoot")
    yield f" Issuer Subject:\t{text(tls, 'CertIssuerSubject')}"
    yield f" Issuer Public Key:\t{text(tls, 'CertIssuerPublicKey')}"
