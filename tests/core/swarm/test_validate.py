"""Specs that are refused, in the words of Docker's own refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead.core.swarm import validate
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.core.swarm.templates import Context, check, context, expand
from fairlead.model.container import Mount
from fairlead.model.errors import Conflict, Failed, Invalid, NotFound, Refusal
from fairlead.model.swarm.cluster import ClusterSpec
from fairlead.model.swarm.endpoint import DNSRR, HOST, EndpointSpec, PortConfig
from fairlead.model.swarm.files import FileSpec, Secret
from fairlead.model.swarm.node import NodeSpec
from fairlead.model.swarm.service import REPLICATED_JOB, ServiceMode, ServiceSpec, UpdateConfig
from fairlead.model.swarm.template import (
    ContainerTemplate,
    FileReference,
    NetworkAttachmentSpec,
    Placement,
    ResourceAmount,
    TaskTemplate,
)
from tests.core.swarm.builders import INGRESS, network, node, service, task, template

ARGUMENT = "rpc error: code = InvalidArgument desc = "
GIVEN = PortConfig(80, 9000)
TAKEN = replace(service("p1", endpoint=EndpointSpec(ports=(GIVEN,))), id="id1")
SWARM = Snapshot([INGRESS, network("over"), TAKEN])


def spec(name: str = "web", **over: object) -> ServiceSpec:
    return service(name, **over).spec


def refusal(wanted: ServiceSpec, snapshot: Snapshot = SWARM) -> Refusal:
    with pytest.raises(Refusal) as refused:
        validate.service(wanted, snapshot)
    return refused.value


def ports(*published: PortConfig, mode: str = "vip") -> ServiceSpec:
    return spec(endpoint=EndpointSpec(mode, published))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (spec("bad name"), "name must be valid as a DNS name component"),
        (spec("-x"), "name must be valid as a DNS name component"),
        (spec(""), "meta: name must be provided"),
        (spec("x" * 64), "name must be 63 characters or fewer"),
        (
            ports(PortConfig(80, 80), mode=DNSRR),
            "EndpointSpec: port published with ingress mode can't be used with dnsrr mode",
        ),
        (ports(PortConfig(80, 8001), PortConfig(81, 8001)), "EndpointSpec: duplicate published ports provided"),
        (ports(PortConfig(80, 9000)), "port '9000' is already in use by service 'p1' (id1) as an ingress port"),
        (
            spec(template=template(networks=(NetworkAttachmentSpec("ingress"),))),
            'Service cannot be explicitly attached to the ingress network "ingress"',
        ),
        (spec(template=TaskTemplate(ContainerTemplate(""))), "ContainerSpec: image reference must be provided"),
        (
            spec(template=template(limits=ResourceAmount(memory=1))),
            "invalid memory value 1: Must be at least 4MiB",
        ),
        (
            spec(mode=ServiceMode(REPLICATED_JOB), update=UpdateConfig()),
            "UpdateConfig and RollbackConfig are not supported for job modes",
        ),
    ],
)
def test_bad_services(wanted: ServiceSpec, message: str) -> None:
    refused = refusal(wanted)
    assert isinstance(refused, Invalid)
    assert refused.message == ARGUMENT + message


def test_other_refusals_have_other_statuses() -> None:
    assert isinstance(refusal(spec("p1")), Conflict)
    assert refusal(spec("p1")).message == (
        "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service p1 already exists"
    )
    missing = refusal(spec(template=template(networks=(NetworkAttachmentSpec("missing"),))))
    assert (type(missing), missing.message) == (NotFound, "network missing not found")
    bad = refusal(spec(template=template(placement=Placement(constraints=("foo",)))))
    assert (type(bad), bad.message) == (
        Failed,
        "rpc error: code = Unknown desc = constraint expected one operator from ==, !=",
    )
    assert refusal(ports(mode="foo")).message == 'invalid resolution mode: "foo"'
    assert refusal(replace(spec(), template=TaskTemplate())).message == "mismatched Runtime and *Spec fields"
    assert refusal(ports(PortConfig(80)), Snapshot()).message == (
        "rpc error: code = FailedPrecondition desc = service needs ingress network, but no ingress network is present"
    )


def test_good_services() -> None:
    validate.service(ports(PortConfig(80, 8070, mode=HOST), mode=DNSRR), SWARM)
    validate.service(spec(template=template(placement=Placement(constraints=("node.role==foo",)))), SWARM)
    validate.service(ports(PortConfig(80, 9000, protocol="udp")), SWARM)


def test_a_service_may_keep_its_own_name_and_port() -> None:
    validate.service(TAKEN.spec, SWARM, own=TAKEN)


def test_a_service_keeps_name_and_mode_for_life() -> None:
    with pytest.raises(Failed, match="renaming services is not supported"):
        validate.service(spec("other"), SWARM, own=TAKEN)
    with pytest.raises(Failed, match="service mode change is not allowed"):
        validate.service(replace(TAKEN.spec, mode=ServiceMode("global")), SWARM, own=TAKEN)


def test_files_must_exist_and_are_not_removed_while_used() -> None:
    secret = Secret("s1", FileSpec("password"))
    container = ContainerTemplate("db", secrets=(FileReference("s1", "password", "password"),))
    user = service("db", template=TaskTemplate(container))
    assert refusal(user.spec).message == ARGUMENT + "secret not found: password"
    swarm = Snapshot([secret, user])
    with pytest.raises(Invalid) as refused:
        validate.file_removal("secret", "s1", swarm)
    assert refused.value.message == ARGUMENT + "secret 'password' is in use by the following service: db"
    with pytest.raises(Conflict):
        validate.file("secret", FileSpec("password"), 5, swarm)
    with pytest.raises(Invalid, match="secret data must be larger than 0 and less than 512000 bytes"):
        validate.file("secret", FileSpec("other"), 0, swarm)


def test_a_network_in_use_is_not_removed() -> None:
    user = service("web", template=template(networks=(NetworkAttachmentSpec("over"),)))
    with pytest.raises(Invalid) as refused:
        validate.network_removal("over", Snapshot([network("over"), user]))
    assert refused.value.message == "rpc error: code = FailedPrecondition desc = network over is in use by service web"
    with pytest.raises(Invalid, match="ingress network cannot be removed because service id1 depends on it"):
        validate.network_removal("ingress", SWARM)
    validate.network_removal("over", SWARM)


def test_nodes_and_clusters() -> None:
    with pytest.raises(Invalid, match='invalid Role: "foo"'):
        validate.node(NodeSpec(role="foo"))
    with pytest.raises(Invalid, match='invalid Availability: "foo"'):
        validate.node(NodeSpec(availability="foo"))
    with pytest.raises(Invalid, match="minimum certificate expiry time is: 1h0m0s"):
        validate.cluster(ClusterSpec(cert_expiry=1))
    validate.cluster(ClusterSpec(history_limit=-5))


# --- templates ------------------------------------------------------------------------------------


def known() -> Context:
    return context(replace(task("abc", service("web"), 3), labels={"tier": "front"}), node("n1"))


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{{.Service.Name}}-{{.Task.Slot}}.{{ .Node.Hostname }}", "web-3.n1"),
        ("{{.Task.Name}}", "web.3.abc"),
        ('{{index .Service.Labels "tier"}}', "front"),
        ("{{.Node.Platform.OS}}/{{.Node.Platform.Architecture}}", "linux/x86_64"),
        ("plain", "plain"),
    ],
)
def test_templates_are_filled_in(text: str, filled: str) -> None:
    assert expand(text, known()) == filled


def test_a_template_that_is_not_offered_is_named() -> None:
    container = ContainerTemplate("x", mounts=(Mount("volume", "/data", source="{{.Service.Colour}}"),))
    with pytest.raises(Invalid, match=r"template {{.Service.Colour}} is not supported: use .Service.ID"):
        check(container)


def test_files_may_ask_for_more() -> None:
    more = replace(known(), functions={"env": {"HOME": "/root"}.get})
    assert expand('home={{env "HOME"}}', more) == "home=/root"
    with pytest.raises(Invalid, match="the container has no env 'SHELL'"):
        expand('{{env "SHELL"}}', more)
