"""Nodes as the API shows and takes them, with the keys in the order of Docker's."""

from __future__ import annotations

from base64 import b64encode

from msgspec import Struct

from fairlead.api.schema.generic_resources import generic_json
from fairlead.api.schema.swarm_object import Json, given, meta_json
from fairlead.engine.swarm.settings import Trust
from fairlead.model.errors import Invalid
from fairlead.model.swarm.node import ManagerStatus, Node, NodeDescription, NodeSpec


class NodeSpecBody(Struct):
    """What `/nodes/{id}/update` takes."""

    Name: str | None = None
    Labels: dict[str, str] | None = None
    Role: str | None = None
    Availability: str | None = None

    def spec(self) -> NodeSpec:
        role, availability = (self.Role or "").lower(), (self.Availability or "").lower()
        if not role:
            raise Invalid('invalid Role: ""')
        return NodeSpec(role, availability, self.Name or "", self.Labels or {})


def node_json(node: Node, trust: Trust) -> Json:
    shown = meta_json(node)
    shown["Spec"] = {
        **given({"Name": node.spec.name}),
        "Labels": dict(node.spec.labels),
        "Role": node.spec.role,
        "Availability": node.spec.availability,
    }
    shown["Description"] = _description_json(node.description) | {"TLSInfo": tls_json(trust)}
    status = node.status
    shown["Status"] = {
        "State": status.state,
        **given({"Message": node.error or status.message, "Addr": status.address}),
    }
    if node.manager is not None:
        shown["ManagerStatus"] = _manager_json(node.manager)
    return shown


def tls_json(trust: Trust) -> Json:
    return {
        "TrustRoot": trust.certificate,
        "CertIssuerSubject": b64encode(trust.subject).decode(),
        "CertIssuerPublicKey": b64encode(trust.public_key).decode(),
    }


def _description_json(description: NodeDescription) -> Json:
    platform = given({"Architecture": description.platform.architecture, "OS": description.platform.os})
    resources = given({"NanoCPUs": description.nano_cpus, "MemoryBytes": description.memory})
    resources |= given({"GenericResources": generic_json(description.generic.items(), description.named.items())})
    plugins = [{"Type": plugin.kind, "Name": plugin.name} for plugin in description.plugins]
    engine = {"EngineVersion": description.engine_version, "Labels": dict(description.engine_labels)}
    return {
        **given({"Hostname": description.hostname}),
        "Platform": platform,
        "Resources": resources,
        "Engine": given({**engine, "Plugins": plugins}),
    }


def _manager_json(manager: ManagerStatus) -> Json:
    leader = given({"Leader": manager.leader})
    return {**leader, "Reachability": manager.reachability, "Addr": manager.address}
