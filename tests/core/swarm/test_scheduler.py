"""Where tasks go, and why they go nowhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.swarm import scheduler
from fairlead.core.swarm.filters import FILTERS, Demand, explain, refusal
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.model.swarm.endpoint import HOST, EndpointSpec, PortConfig, ServiceEndpoint
from fairlead.model.swarm.node import Node, Platform
from fairlead.model.swarm.service import Service
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task
from fairlead.model.swarm.template import SECOND, Placement, ResourceAmount
from tests.core.swarm.builders import GIB, NOW, moment, node, service, task, template, written


def waiting(of: Service, count: int = 1, first: int = 1, **over: object) -> list[Task]:
    return [
        task(f"{of.id}-{slot}", of, slot, state=TaskState.PENDING, node_id="", **over)
        for slot in range(first, first + count)
    ]


def placed(*things: Service | Node | Task) -> dict[str, Task]:
    changes = scheduler.decide(Snapshot(things), [("all",)], moment())
    return {one.id: one for one in written(changes) if isinstance(one, Task)}


def error_of(*things: Service | Node | Task) -> str:
    (only,) = placed(*things).values()
    assert only.status.state == TaskState.PENDING
    return only.status.error


def test_tasks_spread_evenly() -> None:
    web = service("web", 15)
    nodes = [node(f"n{number}") for number in range(1, 7)]
    where = Counter(one.node_id for one in placed(web, *nodes, *waiting(web, 15)).values())
    assert sorted(where.values()) == [2, 2, 2, 3, 3, 3]


def test_a_service_goes_first_where_it_has_the_fewest_tasks() -> None:
    web, db = service("web", 2), service("db", 5)
    busy = [task(f"db{slot}", db, slot, node_id="n2") for slot in range(1, 6)]
    result = placed(web, db, node("n1"), node("n2"), *busy, task("web0", web, 9, node_id="n1"), *waiting(web))
    assert result["web-1"].node_id == "n2"


def test_what_is_decided_in_one_go_counts_at_once() -> None:
    web = service("web", 3, template=template(reservations=ResourceAmount(nano_cpus=2 * SECOND)))
    result = placed(web, node("n1", cpus=4), *waiting(web, 3))
    assert sorted(one.status.state for one in result.values()) == [
        TaskState.PENDING,
        TaskState.ASSIGNED,
        TaskState.ASSIGNED,
    ]


def test_a_node_on_which_the_service_keeps_failing_comes_last() -> None:
    web = service("web")
    failed = [
        task(f"f{number}", web, 1, state=TaskState.FAILED, at=NOW - SECOND, desired=TaskState.SHUTDOWN)
        for number in range(3)
    ]
    other = task("x", service("x"), 1, node_id="n2")
    assert placed(web, node("n1"), node("n2"), other, *failed, *waiting(web))["web-1"].node_id == "n2"


def test_preferences_divide_tasks_among_values() -> None:
    web = service("web", 12, template=template(placement=Placement(preferences=("node.labels.zone",))))
    nodes = [node("a1", labels={"zone": "a"}), *(node(f"b{n}", labels={"zone": "b"}) for n in range(3))]
    where = Counter(one.node_id[0] for one in placed(web, *nodes, *waiting(web, 12)).values())
    assert where == {"a": 6, "b": 6}


def test_nested_preferences_and_nodes_without_the_label() -> None:
    spread = Placement(preferences=("node.labels.zone", "node.labels.rack"))
    web = service("web", 8, template=template(placement=spread))
    nodes = [
        node("a1", labels={"zone": "a", "rack": "1"}),
        node("a2", labels={"zone": "a", "rack": "2"}),
        node("a3", labels={"zone": "a", "rack": "2"}),
        node("c1"),
    ]
    where = Counter(one.node_id for one in placed(web, *nodes, *waiting(web, 8)).values())
    assert where == {"a1": 2, "a2": 1, "a3": 1, "c1": 4}


def test_preferences_skip_nodes_that_are_full() -> None:
    spread = Placement(preferences=("node.labels.zone",), max_replicas=1)
    web = service("web", 3, template=template(placement=spread))
    nodes = [node("a1", labels={"zone": "a"}), node("b1", labels={"zone": "b"}), node("b2", labels={"zone": "b"})]
    assert {one.node_id for one in placed(web, *nodes, *waiting(web, 3)).values()} == {"a1", "b1", "b2"}


# --- why not --------------------------------------------------------------------------------------


def test_constraints_in_dockers_words_and_then_the_fix() -> None:
    web = service("web", template=template(placement=Placement(constraints=("node.labels.zone==west",))))
    error = error_of(web, node("n1", labels={"zone": "east"}), node("n2"), *waiting(web))
    assert error == (
        "no suitable node (scheduling constraints not satisfied on 2 nodes): "
        "2 nodes not satisfying node.labels.zone==west (nodes have east); label a node or change the constraint"
    )


def test_what_nodes_have_instead_is_told_of_all_constraints() -> None:
    web = service("web", template=template(placement=Placement(constraints=("node.role == worker",))))
    assert "node.role == worker (nodes have manager);" in error_of(web, node("n1", role="manager"), *waiting(web))


def test_several_reasons_are_joined_the_commonest_first() -> None:
    asks = template(
        placement=Placement(constraints=("node.role==worker",)), reservations=ResourceAmount(memory=16 * GIB)
    )
    web = service("web", template=asks)
    nodes = [node("n1", role="manager", memory=32 * GIB), node("n2", role="manager", memory=32 * GIB), node("n3")]
    assert error_of(web, *nodes, *waiting(web)).startswith(
        "no suitable node (scheduling constraints not satisfied on 2 nodes; insufficient resources on 1 node): "
    )


def test_resources_name_what_is_asked_and_what_is_free() -> None:
    web = service("web", template=template(reservations=ResourceAmount(nano_cpus=8 * SECOND)))
    error = error_of(web, node("n1", cpus=2), node("n2", cpus=4), *waiting(web))
    assert error.startswith("no suitable node (insufficient resources on 2 nodes): 8 CPUs are asked for, 4 CPUs of ")


def test_much_memory_is_told_in_plain_digits() -> None:
    web = service("web", template=template(reservations=ResourceAmount(memory=1024 * GIB)))
    assert "1048576 MiB are asked for, 4096 MiB of" in error_of(web, node("n1", memory=4 * GIB), *waiting(web))


def test_generic_resources_are_counted_by_kind() -> None:
    web = service("web", template=template(reservations=ResourceAmount(generic={"gpu": 2})))
    nodes = [node("n1"), node("n2"), node("n3")]
    nodes = [
        replace(one, description=replace(one.description, generic={"gpu": gpus}))
        for one, gpus in zip(nodes, (4, 3, 1), strict=True)
    ]
    tasks = placed(web, *nodes, *waiting(web, 3))
    assert sorted(one.node_id for one in tasks.values()) == ["n1", "n1", "n2"]
    error = error_of(web, nodes[2], *waiting(web))
    assert error.startswith("no suitable node (insufficient resources on 1 node): 2 gpu are asked for, 1 of node n3")


def test_generic_resources_with_names_are_given_to_one_task_each() -> None:
    web = service("web", template=template(reservations=ResourceAmount(generic={"gpu": 2})))
    one = node("n1")
    one = replace(one, description=replace(one.description, named={"gpu": ("a", "b", "c", "d", "e")}))
    tasks = placed(web, one, *waiting(web, 2))
    assert sorted(each.resources["gpu"] for each in tasks.values()) == [("a", "b"), ("c", "d")]
    held = replace(task("held", web, node_id="n1"), resources={"gpu": ("a", "d")})
    (later,) = placed(web, one, held, *waiting(web)).values()
    assert later.resources["gpu"] == ("b", "c")
    error = error_of(web, one, *tasks.values(), *waiting(web, first=3))
    assert error.startswith("no suitable node (insufficient resources on 1 node): 2 gpu are asked for, 1 of node n1")


def test_nobody_gets_a_generic_resource_by_its_name() -> None:
    web = service("web", template=template(reservations=ResourceAmount(named=(("gpu", "a"),))))
    one = node("n1")
    one = replace(one, description=replace(one.description, named={"gpu": ("a",)}))
    error = error_of(web, one, *waiting(web))
    assert "gpu by the name a (not by gpu=NUMBER) are asked for, 0 of node n1 are free" in error


def test_a_held_host_port_names_its_holder() -> None:
    ports = (PortConfig(80, 8080, mode=HOST),)
    endpoint = ServiceEndpoint(EndpointSpec(ports=ports), ports)
    web, other = service("web"), service("other")
    holder = task("held", other, node_id="n1", endpoint=endpoint)
    error = error_of(web, other, node("n1"), holder, *waiting(web, endpoint=endpoint))
    assert error == (
        "no suitable node (host-mode port already in use on 1 node): "
        "port 8080/tcp is held by service other; add nodes or change the port"
    )


def test_unavailable_nodes_say_how() -> None:
    web = service("web")
    nodes = [node("n1", availability="drain"), node("n2", state="down"), node("n3", availability="drain")]
    assert error_of(web, *nodes, *waiting(web)) == (
        "no suitable node (3 nodes not available for new tasks): of the nodes that take no tasks "
        "2 are set to drain, 1 is down; start or activate one, or add nodes"
    )


def test_max_replicas_platform_and_plugins() -> None:
    limited = service("web", template=template(placement=Placement(max_replicas=1)))
    full = task("one", limited, 5, node_id="n1")
    assert "max replicas per node limit exceed" in error_of(limited, node("n1"), full, *waiting(limited))
    arm = service("arm", template=template(placement=Placement(platforms=(Platform("arm64", "linux"),))))
    assert "unsupported platform on 1 node" in error_of(arm, node("n1"), *waiting(arm))
    web = service("web")
    bare = replace(node("n1"), description=replace(node("n1").description, plugins=()))
    demand = Demand(waiting(web)[0], ("overlay",))
    refused = refusal(demand, bare, Snapshot().loads.of("n1"))
    assert refused is not None
    assert explain([(bare, *refused)], {}).startswith("no suitable node (missing plugin on 1 node): node n1 has no ")


def test_amd64_images_run_on_x86_64() -> None:
    web = service("web", template=template(placement=Placement(platforms=(Platform("amd64", "linux"),))))
    assert placed(web, node("n1"), *waiting(web))["web-1"].node_id == "n1"


def test_a_swarm_without_nodes_says_so() -> None:
    web = service("web")
    assert error_of(web, *waiting(web)) == "no suitable node: the swarm has no nodes"


def test_the_reason_goes_when_a_node_comes() -> None:
    web = service("web")
    (stuck,) = placed(web, *waiting(web)).values()
    result = placed(web, node("n1"), stuck)
    assert (result[stuck.id].status.state, result[stuck.id].status.error) == (TaskState.ASSIGNED, "")


def test_a_reason_that_did_not_change_is_not_written_again() -> None:
    web = service("web")
    (stuck,) = placed(web, *waiting(web)).values()
    assert not placed(web, stuck)


@given(
    st.lists(
        st.builds(
            lambda state, availability, cpus, role: (state, availability, cpus, role),
            st.sampled_from(["ready", "down", "unknown"]),
            st.sampled_from(["active", "pause", "drain"]),
            st.sampled_from([1, 8]),
            st.sampled_from(["worker", "manager"]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_either_a_node_takes_the_task_or_the_explanation_covers_every_node(
    facts: list[tuple[str, str, int, str]],
) -> None:
    asks = template(
        reservations=ResourceAmount(nano_cpus=4 * SECOND), placement=Placement(constraints=("node.role==worker",))
    )
    web = service("web", template=asks)
    nodes = [
        node(f"n{number}", state=state, availability=availability, cpus=cpus, role=role)
        for number, (state, availability, cpus, role) in enumerate(facts)
    ]
    (only,) = placed(web, *nodes, *waiting(web)).values()
    fitting = {f"n{i}" for i, fact in enumerate(facts) if fact == ("ready", "active", 8, "worker")}
    if fitting:
        assert only.node_id in fitting
        return
    verdict = only.status.error.split("(")[1].split(")")[0]
    numbers = [int(word) for word in verdict.replace(";", " ").split() if word.isdigit()]
    assert sum(numbers) == len(nodes)


def test_every_filter_has_words_for_one_and_for_many() -> None:
    for one in FILTERS:
        assert one.verdict(1)
        assert "nodes" in one.verdict(2) or one.name == "replicas"


@pytest.mark.parametrize("state", [TaskState.ASSIGNED, TaskState.RUNNING])
def test_a_placed_task_is_not_placed_again(state: TaskState) -> None:
    web = service("web")
    assert not placed(web, node("n1"), node("n2"), task("t", web, state=state))
