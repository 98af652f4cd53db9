"""What follows from rows, one rule at a time."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from fairlead.core.discovery.differences import Differences
from fairlead.core.discovery.presence import Origin
from fairlead.core.discovery.view import NetworkView
from fairlead.model.discovery import MeshPort, Presence
from tests.core.discovery.rows import ELSEWHERE, HERE, THERE, Listener, balancer, container, task

VIP = "10.0.1.2"


class Node:
    """A view with a listener that hears everything at once."""

    def __init__(self) -> None:
        self.view, self.heard = NetworkView(HERE), Listener()

    def put(self, *presences: Presence, written: int = 1) -> Differences:
        for presence in presences:
            self.view.put(presence, written)
        return self.listen()

    def drop(self, presence: Presence) -> Differences:
        self.view.drop(Origin(presence.node_id, presence.endpoint_id))
        return self.listen()

    def silence(self, presence: Presence) -> Differences:
        self.view.silence(Origin(presence.node_id, presence.endpoint_id))
        return self.listen()

    def listen(self) -> Differences:
        differences = self.view.take()
        self.heard.hear(differences)
        return differences


@pytest.fixture
def node() -> Node:
    return Node()


# --- names ----------------------------------------------------------------------------------------


def test_a_container_answers_to_its_name_and_aliases(node: Node) -> None:
    node.put(replace(container("web", "10.0.1.5"), aliases=("www",)))
    assert node.heard.addresses("web") == node.heard.addresses("www") == {"10.0.1.5"}


def test_containers_of_one_name_on_two_nodes_are_both_told(node: Node) -> None:
    node.put(container("web", "10.0.1.5", THERE, "a"), container("web", "10.0.1.6", ELSEWHERE, "b"))
    assert node.heard.addresses("web") == {"10.0.1.5", "10.0.1.6"}


def test_a_service_is_called_by_its_virtual_address_and_its_tasks_by_theirs(node: Node) -> None:
    one = replace(task("web", 1, "10.0.1.5", vip=VIP), service_aliases=("www",))
    two = replace(task("web", 2, "10.0.1.6", HERE, VIP), service_aliases=("www",))
    node.put(one, two)
    assert node.heard.addresses("web") == node.heard.addresses("www") == {VIP}
    assert node.heard.addresses("tasks.web") == node.heard.addresses("tasks.www") == {"10.0.1.5", "10.0.1.6"}
    assert node.heard.addresses("web.1") == {"10.0.1.5"}
    assert node.heard.named["service/webid"].reverse == "web"


def test_a_service_without_virtual_address_is_called_by_its_tasks(node: Node) -> None:
    node.put(task("db", 1, "10.0.1.5"), task("db", 2, "10.0.1.6"))
    assert node.heard.addresses("db") == node.heard.addresses("tasks.db") == {"10.0.1.5", "10.0.1.6"}


def test_a_task_that_does_not_serve_is_forwarded_to_and_not_known_by_name(node: Node) -> None:
    starting = replace(task("web", 1, "10.0.1.5", vip=VIP), serving=False)
    node.put(starting)
    assert list(node.heard.forwarded) == ["web1"]
    assert not node.heard.named
    node.put(replace(starting, serving=True))
    assert node.heard.addresses("web") == {VIP}
    quiesced = node.put(starting)
    assert not quiesced.unforward
    assert not quiesced.forward
    assert not node.heard.named
    assert not node.heard.backends("webid")
    assert [task.endpoint_id for task in node.heard.services["webid"].leaving] == ["web1"]


def test_a_balancer_is_forwarded_to_and_never_named(node: Node) -> None:
    said = node.put(balancer("10.0.1.9"), balancer("10.0.1.8", HERE))
    assert said.balancers is not None
    assert {one.node_id for one in said.balancers} == {HERE, THERE}
    assert not node.put(container("web", "10.0.1.5", HERE)).balancers
    assert list(node.heard.forwarded) == [f"lb{THERE}"]
    assert not node.heard.addresses("net-endpoint")


# --- services -------------------------------------------------------------------------------------


def test_one_task_more_says_one_name_more(node: Node) -> None:
    node.put(*(task("web", slot, f"10.0.2.{slot}", vip=VIP) for slot in range(1, 200)))
    said = node.put(task("web", 200, "10.0.2.200", vip=VIP))
    (change,) = said.services
    assert change.now is not None
    assert len(change.now.serving) == 200
    assert len(said.named) == 1


def test_the_last_task_takes_the_service_with_it(node: Node) -> None:
    one = task("web", 1, "10.0.1.5", vip=VIP)
    node.put(one)
    said = node.drop(one)
    assert said.services[0].now is None
    assert not node.heard.services
    assert not node.heard.named
    assert not node.heard.forwarded


@pytest.mark.parametrize("serving", [True, False])
def test_a_task_that_was_told_again_goes_all_the_same(node: Node, serving: bool) -> None:
    """Its row is written anew with the same words, as after a partition or a restart of its node."""
    one, two = (replace(task("web", slot, f"10.0.1.{slot}", vip=VIP), serving=serving) for slot in (1, 2))
    node.put(one, two)
    node.put(replace(one), written=2)
    node.drop(one)
    service = node.heard.services["webid"]
    assert [*service.serving, *service.leaving] == [two]


def test_tasks_that_differ_during_an_update_say_all_that_any_says(node: Node) -> None:
    old = replace(task("web", 1, "10.0.1.5", vip=VIP), mesh=(MeshPort(80, 8080),))
    new = replace(task("web", 2, "10.0.1.6", vip=VIP), mesh=(MeshPort(81, 8080),), service_aliases=("www",))
    node.put(old, new)
    assert [port.published for port in node.heard.services["webid"].head.mesh] == [80, 81]
    node.drop(old)
    assert [port.published for port in node.heard.services["webid"].head.mesh] == [81]
    assert node.heard.services["webid"].head.aliases == ("www",)


# --- lost nodes -----------------------------------------------------------------------------------


def test_a_lost_node_leaves_names_and_balancing_but_is_still_forwarded_to(node: Node) -> None:
    one, two = task("web", 1, "10.0.1.5", vip=VIP), task("web", 2, "10.0.1.6", ELSEWHERE, VIP)
    node.put(one, two)
    lost = node.silence(one)
    assert not lost.unforward
    assert node.heard.addresses("tasks.web") == {"10.0.1.6"}
    assert node.heard.backends("webid") == {"web2"}
    node.put(one)
    assert node.heard.addresses("tasks.web") == {"10.0.1.5", "10.0.1.6"}


def test_a_service_of_which_nobody_is_heard_goes_on_with_those_that_served(node: Node) -> None:
    """A daemon that takes long to start again is no reason to refuse its tasks' clients."""
    one, two = task("web", 1, "10.0.1.5", vip=VIP), task("web", 2, "10.0.1.6", ELSEWHERE, VIP)
    stops = replace(task("web", 3, "10.0.1.7", vip=VIP), serving=False)
    node.put(one, two, stops)
    node.silence(one)
    node.silence(stops)
    assert node.heard.backends("webid") == {"web2"}
    (change,) = node.silence(two).services
    assert node.heard.backends("webid") == {"web1", "web2"}
    assert {was.endpoint_id: (was.serving, now.serving) for was, now in change.tasks if was and now} == {
        "web1": (False, True)
    }
    assert node.heard.addresses("web") == {VIP}
    assert not node.heard.addresses("tasks.web")
    node.put(two)
    assert node.heard.backends("webid") == {"web2"}
    node.silence(two)
    node.view.expect(frozenset())
    node.listen()
    assert not node.heard.services


def test_connections_end_when_the_managers_do_not_hear_the_lost_node_either(node: Node) -> None:
    one, two = task("web", 1, "10.0.1.5", vip=VIP), task("web", 2, "10.0.1.6", ELSEWHERE, VIP)
    node.put(one, two)
    node.view.expect(frozenset({one.vtep, two.vtep}))
    (kept,) = node.silence(one).services
    assert kept.now is not None
    assert [each.endpoint_id for each in kept.now.leaving] == ["web1"]
    node.view.expect(frozenset({two.vtep}))
    lost = node.listen()
    assert lost.services[0].now is not None
    assert not lost.services[0].now.leaving
    assert not lost.unforward, "it may only be late"
    node.put(one)
    assert node.heard.backends("webid") == {"web1", "web2"}


def test_a_row_that_goes_while_its_node_is_lost_is_gone(node: Node) -> None:
    one = container("web", "10.0.1.5")
    node.put(one)
    node.silence(one)
    node.drop(one)
    assert not node.heard.forwarded
    assert not len(node.view)


# --- two who claim one address --------------------------------------------------------------------


def test_stale_arp_of_a_lost_node_does_not_outlive_the_address_s_next_owner(node: Node) -> None:
    """moby#52661, #42833, #30134: entries of a node that failed stayed permanent, and traffic to the task that got the
    address next went to a host that was gone, until somebody restarted the daemon."""
    stale = task("web", 1, "10.0.1.5", THERE)
    node.put(stale, written=10)
    node.silence(stale)
    fresh = replace(task("web", 7, "10.0.1.5", ELSEWHERE), mac="02:42:0a:00:01:05")
    node.put(fresh, written=4)
    assert list(node.heard.forwarded) == ["web7"]
    assert node.heard.addresses("tasks.web") == {"10.0.1.5"}
    node.drop(stale)
    assert list(node.heard.forwarded) == ["web7"], "removing the stale entry took the new one's place away"


def test_of_two_living_rows_the_one_written_later_counts(node: Node) -> None:
    node.put(container("old", "10.0.1.5", THERE), written=5)
    node.put(container("new", "10.0.1.5", ELSEWHERE), written=6)
    assert list(node.heard.forwarded) == ["epnew"]
    assert node.heard.addresses("old") == set()


def test_nobody_takes_an_address_from_our_own_endpoint(node: Node) -> None:
    node.put(container("mine", "10.0.1.5", HERE), written=1)
    node.put(container("thief", "10.0.1.5", THERE), written=99)
    assert not node.heard.forwarded
    assert node.heard.addresses("mine") == {"10.0.1.5"}
    assert not node.heard.addresses("thief")


def test_a_shared_mac_decides_forwarding_alone(node: Node) -> None:
    first = container("a", "10.0.1.5", THERE)
    node.put(first, written=1)
    node.put(replace(container("b", "10.0.1.6", ELSEWHERE), mac=first.mac), written=2)
    assert list(node.heard.forwarded) == ["epb"]
    assert node.heard.addresses("a") == {"10.0.1.5"}


def test_an_endpoint_that_moves_its_host_is_forwarded_anew(node: Node) -> None:
    one = container("web", "10.0.1.5")
    node.put(one)
    said = node.put(replace(one, vtep=ip_address("192.0.2.77")), written=2)
    assert [str(presence.vtep) for presence in said.forward] == ["192.0.2.77"]
    assert not said.unforward


def test_own_endpoints_are_named_and_never_forwarded_to(node: Node) -> None:
    said = node.put(container("web", "10.0.1.5", HERE))
    assert not said.forward
    assert node.heard.addresses("web") == {"10.0.1.5"}


def test_leaving_a_network_forgets_all_of_it(node: Node) -> None:
    node.put(container("a", "10.0.1.5"), task("web", 1, "10.0.1.6", vip=VIP), balancer("10.0.1.7"))
    node.view.clear()
    node.listen()
    assert node.heard == Listener()


def test_what_came_and_went_between_two_looks_is_not_told(node: Node) -> None:
    one = container("web", "10.0.1.5")
    node.view.put(one)
    node.view.drop(Origin(one.node_id, one.endpoint_id))
    assert not node.listen()
