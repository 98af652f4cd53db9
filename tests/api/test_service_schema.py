"""Services and tasks through the API's JSON: as dockerd said them, and every spec unharmed both ways."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_interface, ip_network
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api.http import Request
from fairlead.api.schema.service import EndpointSpecBody, PortBody, ServiceSpecBody
from fairlead.api.schema.service_view import service_json, spec_json
from fairlead.api.schema.swarm_network import attached_network_json
from fairlead.api.schema.swarm_object import parse_version
from fairlead.api.schema.task import task_json
from fairlead.api.schema.task_template import PlacementBody, TaskTemplateBody
from fairlead.api.schema.timestamp import parse_moment
from fairlead.model.container import HealthSpec, Mount, Ulimit
from fairlead.model.errors import Invalid, Refusal, Unsupported
from fairlead.model.network import NetworkSpec, Pool, PoolRequest
from fairlead.model.swarm.attachment import Attachment
from fairlead.model.swarm.endpoint import EndpointSpec, PortConfig, ServiceEndpoint, VirtualIp
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import Platform
from fairlead.model.swarm.service import (
    GLOBAL,
    GLOBAL_JOB,
    REPLICATED,
    REPLICATED_JOB,
    JobStatus,
    Service,
    ServiceMode,
    ServiceSpec,
    UpdateConfig,
    UpdateStatus,
)
from fairlead.model.swarm.states import parse_state
from fairlead.model.swarm.task import ContainerStatus, Task, TaskStatus
from fairlead.model.swarm.template import (
    SECOND,
    ContainerTemplate,
    DnsConfig,
    FileReference,
    LogDriver,
    NetworkAttachmentSpec,
    Placement,
    Privileges,
    ResourceAmount,
    RestartPolicy,
    SecurityLabels,
    TaskTemplate,
)

Json = dict[str, Any]
UPDATES = ("UpdateConfig", "RollbackConfig")
RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> list[Json]:
    return [json.loads(line) for line in (RECORDED / f"{name}.jsonl").read_text().splitlines()]


def parsed(document: object) -> ServiceSpec:
    body, headers = json.dumps(document).encode(), {"content-type": "application/json"}
    return Request("POST", "/", (1, 50), {}, {}, headers, body).json(ServiceSpecBody).spec()


def told(shown: Json) -> Json:
    """A spec of dockerd's with what Fairlead tells always though nobody asked: empty `Resources`, `DNSConfig`,
    how long updates are watched."""
    template = dict(shown["TaskTemplate"])
    container = {"DNSConfig": {}, **template["ContainerSpec"]}
    template |= {"ContainerSpec": container, "Resources": {"Limits": {}, "Reservations": {}} | template["Resources"]}
    updates = {name: {"Monitor": 5 * SECOND, **shown[name]} for name in UPDATES if name in shown}
    return {**shown, "TaskTemplate": template, **updates}


# --- as dockerd says it -------------------------------------------------------------------------------


@pytest.mark.parametrize("exchange", recorded("service-specs"))
def test_a_spec_is_shown_as_dockerd_shows_it(exchange: Json) -> None:
    plain, defaults = exchange.get("plain"), exchange.get("defaults")
    if plain:
        assert spec_json(parsed(plain)) == told(plain)
    if defaults:
        assert spec_json(parsed(plain or defaults), defaults=True) == told(defaults)
    if plain and "asked" in exchange:
        asked = parsed(exchange["asked"] | {"Name": plain["Name"]})
        networks = parsed(plain).template.networks  # dockerd resolved the names
        assert spec_json(replace(asked, template=replace(asked.template, networks=networks))) == told(plain)


@pytest.mark.parametrize("answer", recorded("services"))
def test_a_service_is_shown_as_dockerd_shows_it(answer: Json) -> None:
    answer.pop("ServiceStatus", None)
    defaults = "RestartPolicy" in answer["Spec"]["TaskTemplate"]
    expected = answer | {"Spec": told(answer["Spec"])}
    if "PreviousSpec" in answer:
        expected["PreviousSpec"] = told(answer["PreviousSpec"])
    assert service_json(service_of(answer), defaults) == expected


@pytest.mark.parametrize("answer", recorded("tasks"))
def test_a_task_is_shown_as_dockerd_shows_it(answer: Json) -> None:
    networks = {one["Network"]["ID"]: network_of(one["Network"]) for one in answer.get("NetworksAttachments", ())}
    expected = answer | {"Spec": told({"TaskTemplate": answer["Spec"]})["TaskTemplate"]}
    assert task_json(task_of(answer), networks) == expected


def moment(text: str | None) -> int:
    return parse_moment(text, 0) if text else 0


def service_of(answer: Json) -> Service:
    endpoint = answer["Endpoint"]
    spec = msgspec.convert(endpoint["Spec"], EndpointSpecBody).spec()
    ports = tuple(msgspec.convert(port, PortBody).port() for port in endpoint.get("Ports", ()))
    ips = tuple(
        VirtualIp(one["NetworkID"], ip_interface(one["Addr"]) if "Addr" in one else None)
        for one in endpoint.get("VirtualIPs", ())
    )
    update = answer.get("UpdateStatus")
    return Service(
        answer["ID"],
        parsed(answer["Spec"]),
        previous=parsed(answer["PreviousSpec"]) if "PreviousSpec" in answer else None,
        endpoint=ServiceEndpoint(spec, ports, ips) if endpoint["Spec"] else None,
        update=update
        and UpdateStatus(
            update["State"], moment(update.get("StartedAt")), moment(update.get("CompletedAt")), update["Message"]
        ),
        version=answer["Version"]["Index"],
        created=moment(answer["CreatedAt"]),
        updated=moment(answer["UpdatedAt"]),
    )


def task_of(answer: Json) -> Task:
    status = answer["Status"]
    container = status.get("ContainerStatus")
    state, desired = parse_state(status["State"]), parse_state(answer["DesiredState"])
    assert state is not None
    assert desired is not None
    template = msgspec.convert(answer["Spec"], TaskTemplateBody).template()
    ports = tuple(msgspec.convert(port, PortBody).port() for port in status["PortStatus"].get("Ports", ()))
    return Task(
        answer["ID"],
        answer["ServiceID"],
        template,
        slot=answer.get("Slot", 0),
        node_id=answer.get("NodeID", ""),
        status=TaskStatus(
            state,
            moment(status["Timestamp"]),
            message=status["Message"],
            error=status.get("Err", ""),
            container=container and ContainerStatus(container["ContainerID"], container["PID"], container["ExitCode"]),
            ports=ports,
        ),
        desired=desired,
        attachments=tuple(
            Attachment(one["Network"]["ID"], tuple(map(ip_interface, one.get("Addresses", ()))))
            for one in answer.get("NetworksAttachments", ())
        ),
        version=answer["Version"]["Index"],
        created=moment(answer["CreatedAt"]),
        updated=moment(answer["UpdatedAt"]),
    )


def network_of(shown: Json) -> SwarmNetwork:
    spec, ipam = shown["Spec"], shown["Spec"].get("IPAMOptions", {})
    driver = spec["DriverConfiguration"]
    return SwarmNetwork(
        shown["ID"],
        NetworkSpec(
            spec["Name"],
            driver=driver.get("Name", ""),
            options=driver.get("Options", {}),
            labels=spec["Labels"],
            internal=spec.get("Internal", False),
            attachable=spec.get("Attachable", False),
            ingress=spec.get("Ingress", False),
            pools=tuple(PoolRequest(one["Subnet"], gateway=one.get("Gateway", "")) for one in ipam.get("Configs", ())),
            ipam_driver=ipam.get("Driver", {}).get("Name", ""),
            config_from=spec.get("ConfigFrom", {}).get("Network", ""),
        ),
        driver=shown["DriverState"]["Name"],
        options=shown["DriverState"].get("Options", {}),
        pools=tuple(
            Pool(ip_network(one["Subnet"]), ip_interface(one["Gateway"]).ip)
            for one in shown["IPAMOptions"].get("Configs", ())
        ),
        version=shown["Version"]["Index"],
        created=moment(shown["CreatedAt"]),
        updated=moment(shown["UpdatedAt"]),
    )


# --- both ways ----------------------------------------------------------------------------------------

words = st.text("abcXYZ019.-/ {}\"'", min_size=1, max_size=8)
several = st.lists(words, max_size=3).map(tuple)
maps = st.dictionaries(words, words, max_size=2)
numbers = st.integers(0, 1 << 40)
paths = st.from_regex(r"/[a-z]{1,5}(/[a-z]{1,5})?", fullmatch=True)
durations = st.just(0) | st.integers(1_000_000, 1 << 40)
modes = st.one_of(
    st.builds(ServiceMode, st.just(REPLICATED), replicas=numbers),
    st.sampled_from([ServiceMode(GLOBAL), ServiceMode(GLOBAL_JOB)]),
    st.builds(ServiceMode, st.just(REPLICATED_JOB), total=numbers, concurrent=numbers),
)
mounts = st.one_of(
    st.builds(Mount, st.just("bind"), paths, paths, st.booleans(), st.sampled_from(["", "rshared"])),
    st.builds(Mount, st.just("volume"), paths, words, no_copy=st.booleans(), labels=maps, driver=words),
    st.builds(Mount, st.just("tmpfs"), paths, tmpfs_size=numbers, tmpfs_mode=st.integers(0, 0o7777)),
)
files = st.builds(FileReference, words, words, words, words, words, st.integers(0, 0o7777))
runtime_configs = st.builds(FileReference, words, words, runtime=st.just(True))
healths = st.builds(HealthSpec, several, durations, durations, durations, durations, st.integers(0, 9))
generic, named = st.dictionaries(words, numbers, max_size=2), st.lists(st.tuples(words, words), max_size=2).map(tuple)
amounts = st.builds(ResourceAmount, numbers, numbers, numbers, generic, named)
labels = st.none() | st.builds(SecurityLabels, st.booleans(), words, words, words, words)
containers = st.builds(
    ContainerTemplate,
    words,
    several,
    several,
    words,
    several,
    words,
    words,
    several,
    maps,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.none() | st.booleans(),
    st.lists(mounts, max_size=2).map(tuple),
    words,
    st.none() | numbers,
    st.none() | healths,
    several,
    st.builds(DnsConfig, several, several, several),
    st.lists(files, max_size=2).map(tuple),
    st.lists(files | runtime_configs, max_size=2).map(tuple),
    maps,
    several,
    several,
    st.lists(st.builds(Ulimit, words, numbers, numbers), max_size=2).map(tuple),
    st.integers(-1000, 1000),
    st.none() | st.builds(Privileges, labels, st.booleans()),
)
updates = st.builds(
    UpdateConfig, numbers, numbers, words, st.integers(1, 1 << 40), st.floats(0, 1, allow_subnormal=False), words
)
templates = st.builds(
    TaskTemplate,
    containers,
    st.just(""),
    amounts,
    amounts,
    st.builds(Placement, several, several, numbers, st.lists(st.builds(Platform, words, words), max_size=2).map(tuple)),
    st.builds(RestartPolicy, words, st.none() | numbers, numbers, st.none() | numbers),
    st.lists(st.builds(NetworkAttachmentSpec, words, st.just(()), several, maps), max_size=2).map(tuple),
    st.none() | st.builds(LogDriver, words, maps),
    numbers,
)
ports = st.builds(PortConfig, st.integers(1, 65535), st.integers(0, 65535), words, words, words, words)
endpoints = st.builds(EndpointSpec, words, st.lists(ports, max_size=2).map(tuple))
specs = st.builds(
    ServiceSpec, words, templates, modes, maps, st.none() | updates, st.none() | updates, st.none() | endpoints
)


@settings(max_examples=60)
@given(specs)
def test_every_spec_comes_back_as_it_was(spec: ServiceSpec) -> None:
    assert parsed(spec_json(spec)) == spec


@pytest.mark.parametrize("exchange", [one for one in recorded("service-specs") if "asked" in one])
def test_what_is_shown_and_sent_back_changes_no_task(exchange: Json) -> None:
    """Scaling is reading the spec and writing it with another number."""
    asked = parsed(exchange["asked"])
    assert parsed(spec_json(asked)) == asked


@settings(max_examples=30)
@given(specs)
def test_what_is_shown_with_defaults_means_the_same(spec: ServiceSpec) -> None:
    """A client may send back what inspect showed it."""
    again = parsed(spec_json(spec, defaults=True))
    assert spec_json(again, defaults=True) == spec_json(spec, defaults=True)
    assert again.template.restart.pause == spec.template.restart.pause
    assert again.template.restart.window == spec.template.restart.window


def test_networks_are_shown_where_they_were_given() -> None:
    """Beside the template, as clients before API 1.25 do, or in it; tasks get them either way."""
    asked = body() | {"Networks": [{"Target": "n1"}]}
    spec = parsed(asked)
    assert [one.target for one in spec.template.networks] == ["n1"]
    shown = spec_json(spec)
    assert shown["Networks"] == [{"Target": "n1"}]
    assert "Networks" not in shown["TaskTemplate"]
    assert parsed(shown) == spec
    assert "Networks" not in spec_json(parsed(body(Networks=[{"Target": "n1"}])))


def test_a_task_shows_which_generic_resources_it_was_given() -> None:
    resources = {"Reservations": {"GenericResources": [{"DiscreteResourceSpec": {"Kind": "gpu", "Value": 2}}]}}
    task = Task("t1", "s1", parsed(body(Resources=resources)).template)
    assert "GenericResources" not in task_json(task, {})
    placed = replace(task, node_id="n1")
    assert task_json(placed, {})["GenericResources"] == [{"DiscreteResourceSpec": {"Kind": "gpu", "Value": 2}}]
    named = replace(placed, resources={"gpu": ("a", "b")})
    assert task_json(named, {})["GenericResources"] == [
        {"NamedResourceSpec": {"Kind": "gpu", "Value": "a"}},
        {"NamedResourceSpec": {"Kind": "gpu", "Value": "b"}},
    ]


# --- refusing -----------------------------------------------------------------------------------------

IMAGE = {"Image": "busybox"}


def body(**template: object) -> Json:
    return {"Name": "web", "TaskTemplate": {"ContainerSpec": IMAGE, **template}}


def container(**over: object) -> Json:
    return body(ContainerSpec={**IMAGE, **over})


@pytest.mark.parametrize(
    ("document", "refusal", "names"),
    [
        ({}, Invalid, "mismatched Runtime and *Spec fields"),
        (body(Runtime="plugin"), Unsupported, "plugins"),
        (body(Runtime="vm"), Invalid, '"vm"'),
        (body() | {"Mode": {"Global": {}, "Replicated": {}}}, Invalid, "must specify only one service mode"),
        (container(Isolation="hyperv"), Invalid, '"hyperv"'),
        (container(Privileges={"CredentialSpec": {"Config": "x"}}), Unsupported, "CredentialSpec"),
        (container(Privileges={"Seccomp": {"Mode": "unconfined"}}), Unsupported, "Seccomp"),
        (container(Secrets=[{"SecretID": "a", "SecretName": "b"}]), Invalid, "secret reference, no target provided"),
        (container(Configs=[{"ConfigID": "a", "ConfigName": "b"}]), Invalid, "config reference, no target provided"),
        (container(Mounts=[{"Type": "cluster", "Target": "/a"}]), Unsupported, "cluster"),
        (
            body(Resources={"Reservations": {"GenericResources": [{}]}}),
            Invalid,
            "a DiscreteResourceSpec with Kind and Value",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(document: Json, refusal: type[Refusal], names: str) -> None:
    with pytest.raises(refusal) as caught:
        parsed(document)
    assert names in caught.value.message


def test_fields_of_later_versions_are_ignored() -> None:
    assert parsed(body(ContainerSpec={**IMAGE, "Someday": 1}, Later={"a": []})).template.container is not None


def test_defaults_of_what_is_left_out() -> None:
    spec = parsed(body(RestartPolicy={"Condition": "on-failure"}) | {"UpdateConfig": {"Parallelism": 2}})
    assert spec.mode == ServiceMode(REPLICATED, replicas=1)
    assert spec.template.restart == RestartPolicy("on-failure")
    assert spec.update == UpdateConfig(parallelism=2)
    assert parsed(body() | {"Mode": {"ReplicatedJob": {"MaxConcurrent": 3}}}).mode.total == 3


def test_modes_are_known_in_small_letters_too() -> None:
    assert parsed(body() | {"Mode": {"replicated": {"replicas": 2}}}).mode == ServiceMode(REPLICATED, replicas=2)
    assert parsed(body() | {"Mode": {"global": None, "Replicated": {}}}).mode == ServiceMode(REPLICATED)
    with pytest.raises(Invalid, match="Mode"):
        parsed(body() | {"Mode": {"Replicated": {"Replicas": "many"}}})


@pytest.mark.parametrize("asked", [one["asked"] for one in recorded("service-specs") if "asked" in one])
def test_scaling_a_service_of_the_docker_cli_changes_no_task(asked: Json) -> None:
    """`docker service scale` sends the whole spec back as it was shown, with one number changed."""
    first = parsed(asked)
    assert parsed(spec_json(first)).template == first.template


def test_a_job_tells_its_run() -> None:
    service = Service("s", parsed(body() | {"Mode": {"GlobalJob": {}}}), job=JobStatus(2, 0))
    assert service_json(service)["JobStatus"] == {"JobIteration": {"Index": 2}, "LastExecution": "0001-01-01T00:00:00Z"}


def test_a_network_that_was_removed_is_still_named() -> None:
    template = TaskTemplate(ContainerTemplate("x"))
    task = Task("t", "s", template, attachments=(Attachment("n", (ip_interface("10.0.1.3/24"),)),))
    assert task_json(task, {})["NetworksAttachments"] == [{"Network": {"ID": "n"}, "Addresses": ["10.0.1.3/24"]}]


def test_a_network_without_addresses_of_the_swarm_shows_none() -> None:
    network = SwarmNetwork("n", NetworkSpec("host", driver="host", scope="swarm"), driver="host")
    assert attached_network_json(network)["IPAMOptions"] == {"Driver": {}}


@pytest.mark.parametrize("text", ["", "abc", "-1", "1.5"])
def test_a_version_is_a_number(text: str) -> None:
    with pytest.raises(Invalid, match=f"invalid service version '{text}': strconv.ParseUint"):
        parse_version("service", text)


def test_what_spreads_nothing_is_taken_with_a_remark() -> None:
    given = [{"Spread": {"SpreadDescriptor": name}} for name in ("node.labels.zone", "com.example.rack")]
    placement = msgspec.convert({"Preferences": given}, PlacementBody)
    assert placement.placement().preferences == ("node.labels.zone", "com.example.rack")
    assert placement.warnings() == [
        "placement preference 'spread=com.example.rack' spreads nothing: only node.labels.NAME and "
        "engine.labels.NAME do"
    ]


def test_a_jobs_task_says_of_which_run_it_is_and_numbers_begin_with_0() -> None:
    first, second = (Task("t", "s", TaskTemplate(), slot=slot, iteration=slot - 1) for slot in (1, 2))
    shown = [task_json(one, {}) for one in (first, second)]
    assert [(one.get("Slot"), one["JobIteration"]) for one in shown] == [(None, {}), (1, {"Index": 1})]
    replica = task_json(replace(second, iteration=None), {})
    assert replica["Slot"] == 2
    assert "JobIteration" not in replica
