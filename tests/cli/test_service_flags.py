"""From the flags of `service create` and `service update` to a spec."""

from __future__ import annotations

from typing import cast

import pytest

from fairlead.cli.client import Client
from fairlead.cli.command import Flags
from fairlead.cli.faults import Fault
from fairlead.cli.fields import Json
from fairlead.cli.service_lists import apply_lists
from fairlead.cli.service_spec import apply_flags

NOBODY = cast(Client, None)
"""What asks no daemon needs none."""
CREATE, UPDATE = ("", ""), ("_add", "_rm")


def made(spec: Json | None = None, verbs: tuple[str, str] = CREATE, **given: object) -> Json:
    spec = {"Mode": {"Replicated": {}}} if spec is None else spec
    flags = Flags({"no_healthcheck": False, **given})
    apply_flags(spec, flags)
    apply_lists(spec, flags, NOBODY, verbs)
    return spec


def container(spec: Json) -> Json:
    return spec["TaskTemplate"]["ContainerSpec"]  # type: ignore[index,no-any-return]


def test_what_is_not_given_is_left_alone() -> None:
    before: Json = {"Mode": {"Global": {}}, "TaskTemplate": {"ContainerSpec": {"Image": "a", "Env": ["A=1"]}}}
    assert made(dict(before)) == before


def test_durations_sizes_and_shares() -> None:
    spec = made(stop_grace_period="1m30s", limit_memory="64m", reserve_cpu="0.5", restart_delay="500ms", replicas="3")
    assert container(spec)["StopGracePeriod"] == 90_000_000_000
    template = spec["TaskTemplate"]
    assert template["Resources"] == {"Limits": {"MemoryBytes": 64 << 20}, "Reservations": {"NanoCPUs": 500_000_000}}  # type: ignore[index]
    assert template["RestartPolicy"] == {"Delay": 500_000_000}  # type: ignore[index]
    assert spec["Mode"] == {"Replicated": {"Replicas": 3}}


def test_whoever_sets_the_delay_of_updates_still_has_one_at_a_time() -> None:
    assert made(update_delay="1s")["UpdateConfig"] == {"Parallelism": 1, "Delay": 1_000_000_000}
    assert made(update_parallelism=0)["UpdateConfig"] == {"Parallelism": 0}


def test_an_added_entry_takes_the_place_of_its_like() -> None:
    spec = made(env=("A=1", "B=2"), constraint=("node.role==worker",), dns=("1.1.1.1",), host=("db:10.0.0.1",))
    assert container(spec)["Hosts"] == ["10.0.0.1 db"]
    made(spec, UPDATE, env_add=("A=3",), env_rm=("B",), dns_add=("8.8.8.8",), dns_rm=("1.1.1.1",), host_rm=("db",))
    assert container(spec)["Env"] == ["A=3"]
    assert container(spec)["DNSConfig"] == {"Nameservers": ["8.8.8.8"]}
    assert container(spec)["Hosts"] == []


def test_ports_are_known_by_what_they_lead_to() -> None:
    spec = made(publish=("8080:80", "published=53,target=53,protocol=udp,mode=host", "7000-7001:70-71"))
    ports = spec["EndpointSpec"]["Ports"]  # type: ignore[index]
    assert ports[1] == {"Protocol": "udp", "TargetPort": 53, "PublishMode": "host", "PublishedPort": 53}
    assert [port["TargetPort"] for port in ports] == [80, 53, 70, 71]
    made(spec, UPDATE, publish_add=("9090:80",), publish_rm=("53/udp", "70", "71"))
    assert spec["EndpointSpec"]["Ports"] == [  # type: ignore[index]
        {"Protocol": "tcp", "TargetPort": 80, "PublishMode": "ingress", "PublishedPort": 9090}
    ]


def test_labels_are_merged_and_taken_away() -> None:
    spec = made(label=("a=1", "b=2"), container_label=("c=3",))
    made(spec, UPDATE, label_add=("a=9",), label_rm=("b",))
    assert spec["Labels"] == {"a": "9"}
    assert container(spec)["Labels"] == {"c": "3"}


def test_capabilities_given_are_not_also_dropped() -> None:
    spec = made(cap_add=("NET_ADMIN",), cap_drop=("CHOWN",))
    made(spec, UPDATE, cap_drop=("NET_ADMIN",))
    assert (container(spec)["CapabilityAdd"], container(spec)["CapabilityDrop"]) == ([], ["CHOWN", "NET_ADMIN"])


def test_health_checks_are_changed_piece_by_piece_and_turned_off() -> None:
    spec = made(health_cmd="true", health_interval="2s")
    made(spec, UPDATE, health_retries=5)
    assert container(spec)["Healthcheck"] == {"Test": ["CMD-SHELL", "true"], "Interval": 2_000_000_000, "Retries": 5}
    made(spec, UPDATE, no_healthcheck=True)
    assert container(spec)["Healthcheck"] == {"Test": ["NONE"]}
    with pytest.raises(Fault, match="conflicts"):
        made(no_healthcheck=True, health_cmd="true")


def test_replicas_of_jobs_are_their_completions() -> None:
    assert made({"Mode": {"ReplicatedJob": {}}}, replicas="4", max_concurrent=2)["Mode"] == {
        "ReplicatedJob": {"TotalCompletions": 4, "MaxConcurrent": 2}
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"replicas": "-1"}, 'invalid argument "-1" for "--replicas" flag: strconv.ParseUint'),
        ({"max_concurrent": 2}, "replicated-job mode"),
        ({"limit_memory": "lots"}, 'invalid argument "lots" for "--limit-memory" flag'),
        ({"publish": ("127.0.0.1:80:80",)}, "hostip is not supported"),
        ({"publish": ("mode=foo,target=80",)}, "must be either 'ingress' or 'host'"),
        ({"publish": ("published=80",)}, "missing mandatory field 'target'"),
        ({"placement_pref": ("binpack=x",)}, "only spread is supported"),
        ({"ulimit": ("nofile",)}, "invalid ulimit argument: nofile"),
    ],
)
def test_refusals(given: Json, words: str) -> None:
    with pytest.raises(Fault) as caught:
        made(None, CREATE, **given)
    assert words in caught.value.text
