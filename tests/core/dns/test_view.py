"""What a sandbox hears: names, networks, aliases, families, orders, and what happens when they change."""

from collections import Counter
from ipaddress import ip_address

import dns.flags
import dns.message
import pytest

from fairlead.core.dns import view as view_module
from fairlead.core.dns.directory import Directory, Sight
from fairlead.core.dns.zone import Entry, Kind
from fairlead.model.dns import Verdict
from tests.core.dns.asking import ask, entry, told

N1, N2 = Sight("1", "n1"), Sight("2", "n2")


@pytest.fixture
def directory() -> Directory:
    """The containers of Docker's own behaviour: a1 on both networks, a2 on n1, a3 on n2, `all` shared by all three."""
    directory = Directory()
    directory.put("1", "n1", entry("a1/1", "a1 a751328945f6 api all hosta", "172.18.0.2"))
    directory.put("1", "n1", entry("a2/1", "a2 7648521bb06a all", "172.18.0.3"))
    directory.put("2", "n2", entry("a1/2", "a1 a751328945f6 n2al hosta", "172.19.0.3"))
    directory.put("2", "n2", entry("a3/2", "a3 7a1736b88653 all", "172.19.0.2"))
    return directory


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a2", "172.18.0.3"),
        ("A2", "172.18.0.3"),
        ("a2.n1", "172.18.0.3"),
        ("A2.n1", "172.18.0.3"),
        ("7648521bb06a", "172.18.0.3"),
        ("api", "172.18.0.2"),
        ("hosta", "172.18.0.2"),
        ("a1", "172.18.0.2"),
        ("a1.n2", "172.19.0.3"),
        ("a3", "172.19.0.2"),
        ("n2al", "172.19.0.3"),
    ],
)
def test_names_of_shared_networks_are_known(directory: Directory, name: str, data: str) -> None:
    assert told(directory.view((N1, N2)).answer, name) == (data,)


@pytest.mark.parametrize("name", ["a2.N1", "a2.n2", "nosuch", "hosta.dom.test", "n1", "localhost", "n1.", "a2.n1.n1"])
def test_all_other_names_are_somebody_elses(directory: Directory, name: str) -> None:
    assert told(directory.view((N1, N2)).answer, name) is Verdict.FORWARD


@pytest.mark.parametrize("name", ["a2", "api", "a1.n1", "7648521bb06a"])
def test_names_of_other_networks_are_unknown(directory: Directory, name: str) -> None:
    assert told(directory.view((N2,)).answer, name) is Verdict.FORWARD


def test_a_name_that_a_network_may_learn_yet_is_not_denied_by_anybody(directory: Directory) -> None:
    view = directory.view((N1, N2))
    directory.learning("2", "n2")
    for name in ("nosuch", "nosuch.n2", "tasks.nosuch", "tasks.nosuch.n2"):
        assert told(view.answer, name) is Verdict.IGNORE
    for name in ("nosuch.n1", "example.com", "nosuch.lab.internal", "."):
        assert told(view.answer, name) is Verdict.FORWARD
    assert told(view.answer, "nosuch", "TXT") is Verdict.FORWARD
    assert told(view.answer, "a2") == ("172.18.0.3",)
    directory.put("2", "n2", entry("nosuch/2", "nosuch", "172.19.0.9"))
    assert told(view.answer, "nosuch") == ("172.19.0.9",)
    directory.learned("2")
    assert told(view.answer, "other") is Verdict.FORWARD


def test_the_first_network_that_knows_the_name_answers(directory: Directory) -> None:
    assert told(directory.view((N2, N1)).answer, "a1") == ("172.19.0.3",)
    assert told(directory.view((N2, N1)).answer, "all") == ("172.19.0.2",)


@pytest.mark.parametrize("rtype", ["AAAA", "MX", "HTTPS", "SRV", "NS", "CNAME", "PTR"])
def test_a_known_name_without_such_data_has_none(directory: Directory, rtype: str) -> None:
    heard = ask(directory.view((N1,)).answer, "a2", rtype)
    assert not isinstance(heard, Verdict)
    assert (heard.rcode, heard.data) == ("NOERROR", ())


@pytest.mark.parametrize("rtype", ["TXT", "ANY"])
def test_text_and_any_are_asked_outside(directory: Directory, rtype: str) -> None:
    assert told(directory.view((N1,)).answer, "a2", rtype) is Verdict.FORWARD


def test_other_classes_are_asked_outside(directory: Directory) -> None:
    request = dns.message.make_query("a2", "A", rdclass="CH")
    assert directory.view((N1,)).answer(request.to_wire()) is Verdict.FORWARD


def test_an_address_leads_back_to_the_name_in_its_network(directory: Directory) -> None:
    view = directory.view((N1, N2))
    assert told(view.answer, "3.0.18.172.in-addr.arpa", "PTR") == ("a2.n1.",)
    assert told(view.answer, "2.0.19.172.IN-ADDR.arpa", "PTR") == ("a3.n2.",)
    assert told(view.answer, "80.113.0.203.in-addr.arpa", "PTR") is Verdict.FORWARD
    assert told(directory.view((N2,)).answer, "3.0.18.172.in-addr.arpa", "PTR") is Verdict.FORWARD


def test_ipv6_has_the_same_rights() -> None:
    directory = Directory()
    directory.put("1", "n1", entry("six", "six", "fd00::5"))
    directory.put("1", "n1", entry("both", "both", "10.0.0.2 fd00::2"))
    view = directory.view((N1,))
    assert told(view.answer, "six", "AAAA") == ("fd00::5",)
    assert told(view.answer, "six") == ()
    assert told(view.answer, "both") == ("10.0.0.2",)
    assert told(view.answer, "both", "AAAA") == ("fd00::2",)
    assert told(view.answer, ip_address("fd00::5").reverse_pointer, "PTR") == ("six.n1.",)


def test_a_family_is_looked_for_on_further_networks() -> None:
    directory = Directory()
    directory.put("1", "n1", entry("web/1", "web", "10.0.0.2"))
    directory.put("2", "n2", entry("web/2", "web", "fd00::2"))
    assert told(directory.view((N1, N2)).answer, "web", "AAAA") == ("fd00::2",)


def test_every_address_comes_first_equally_often(directory: Directory) -> None:
    directory.put("1", "n1", entry("a4/1", "a4 all", "172.18.0.9"))
    view = directory.view((N1,))
    firsts = Counter()
    for _ in range(30):
        data = told(view.answer, "all")
        assert not isinstance(data, Verdict)
        assert set(data) == {"172.18.0.2", "172.18.0.3", "172.18.0.9"}
        firsts[data[0]] += 1
    assert set(firsts.values()) == {10}


@pytest.mark.parametrize("size", [view_module.ROTATIONS_KEPT, view_module.ROTATIONS_KEPT + 1, 400])
def test_large_sets_rotate_too_and_say_when_they_do_not_fit(size: int) -> None:
    directory = Directory()
    for number in range(size):
        directory.put("1", "n1", entry(f"task{number}", "tasks.web", f"10.0.{number // 200}.{number % 200}"))
    view = directory.view((N1,))
    firsts = Counter(told(view.answer, "tasks.web")[0] for _ in range(2 * size))
    assert len(firsts) == size
    assert set(firsts.values()) == {2}
    plain = ask(view.answer, "tasks.web")
    stream = ask(view.answer_stream, "tasks.web")
    assert not isinstance(plain, Verdict)
    assert not isinstance(stream, Verdict)
    assert len(plain.message.to_wire()) <= 512
    assert bool(plain.message.flags & dns.flags.TC) is (len(plain.data) < size)
    assert len(stream.data) == size
    assert not stream.message.flags & dns.flags.TC


def test_times_to_live_follow_the_kind() -> None:
    directory = Directory()
    directory.put("1", "n1", entry("c", "c mixed", "10.0.0.2"))
    directory.put("1", "n1", entry("vip", "svc mixed", "10.0.0.3", Kind.SERVICE))
    view = directory.view((N1,))
    lives = {name: ask(view.answer, name).ttls for name in ("c", "svc", "mixed")}
    assert lives == {"c": {0}, "svc": {5}, "mixed": {0}}


def test_flags_are_those_of_a_resolver(directory: Directory) -> None:
    heard = ask(directory.view((N1,)).answer, "a2")
    assert dns.flags.to_text(heard.message.flags) == "QR RD RA"


def test_edns_is_answered_in_kind(directory: Directory) -> None:
    view = directory.view((N1,))
    heard = ask(view.answer, "a2", use_edns=0, payload=1232, want_dnssec=True)
    assert (heard.message.edns, heard.message.payload) == (0, 4096)
    assert heard.message.ednsflags & dns.flags.DO
    assert ask(view.answer, "a2").message.edns == -1
    assert ask(view.answer, "a2", use_edns=1).rcode == "BADVERS"


def test_private_aliases_are_seen_by_their_owner_only(directory: Directory) -> None:
    linked = directory.view((Sight("1", "n1", (("zz", "a2"), ("Db.local", "7648521bb06a"))),))
    assert told(linked.answer, "zz") == ("172.18.0.3",)
    assert told(linked.answer, "ZZ") == ("172.18.0.3",)
    assert told(linked.answer, "db.local") == ("172.18.0.3",)
    assert told(directory.view((N1,)).answer, "zz") is Verdict.FORWARD


def test_a_private_alias_follows_its_target(directory: Directory) -> None:
    linked = directory.view((Sight("1", "n1", (("zz", "a2"),)),))
    assert told(linked.answer, "zz") == ("172.18.0.3",)
    directory.put("1", "n1", entry("a2/1", "a2", "172.18.0.33"))
    assert told(linked.answer, "zz") == ("172.18.0.33",)
    directory.drop("1", "a2/1")
    assert told(linked.answer, "zz") is Verdict.FORWARD


def test_a_change_is_seen_at_once_by_everybody(directory: Directory) -> None:
    views = [directory.view((N1,)), directory.view((N1, N2)), directory.view((N2, N1))]
    for view in views:
        assert told(view.answer, "a2") == ("172.18.0.3",)
        assert told(view.answer, "a2.n1") == ("172.18.0.3",)
    directory.put("1", "n1", entry("a2/1", "a2new 7648521bb06a", "172.18.0.3"))
    for view in views:
        assert told(view.answer, "a2") is Verdict.FORWARD
        assert told(view.answer, "a2.n1") is Verdict.FORWARD
        assert told(view.answer, "a2new") == ("172.18.0.3",)
        assert told(view.answer, "3.0.18.172.in-addr.arpa", "PTR") == ("a2new.n1.",)


def test_a_name_that_appears_on_an_earlier_network_wins(directory: Directory) -> None:
    view = directory.view((N1, N2))
    assert told(view.answer, "a3") == ("172.19.0.2",)
    directory.put("1", "n1", entry("late", "a3", "172.18.0.77"))
    assert told(view.answer, "a3") == ("172.18.0.77",)


def test_a_change_leaves_other_prepared_replies_alone(directory: Directory) -> None:
    view = directory.view((N1,))
    told(view.answer, "a1")
    told(view.answer, "a2")
    directory.drop("1", "a2/1")
    assert len(view._prepared) == 1


def test_equal_views_are_one_and_go_with_their_last_user(directory: Directory) -> None:
    view = directory.view((N1, N2))
    assert directory.view((Sight("1", "n1"), Sight("2", "n2"))) is view
    assert directory.view((N2, N1)) is not view


def test_a_client_that_plays_with_case_is_served_and_costs_no_memory(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "PREPARED_MAX", 8)
    directory.put("1", "n1", entry("long", "abcdefghij", "172.18.0.50"))
    view = directory.view((N1,))
    for number in range(1024):
        name = "".join(c.upper() if number >> i & 1 else c for i, c in enumerate("abcdefghij"))
        assert told(view.answer, name) == ("172.18.0.50",)
        assert len(view._prepared) <= 8


def test_cookies_are_answered_but_not_kept(directory: Directory) -> None:
    view = directory.view((N1,))
    for cookie in range(20):
        option = dns.edns.GenericOption(10, cookie.to_bytes(8))
        heard = ask(view.answer, "a2", use_edns=0, options=[option])
        assert heard.data == ("172.18.0.3",)
    assert not view._prepared


def test_names_that_dns_cannot_say_do_not_hide_the_others() -> None:
    directory = Directory()
    directory.put("1", "n1", Entry("x", ("a" * 80, "ok"), (ip_address("10.0.0.2"),), "a" * 80))
    view = directory.view((N1,))
    assert told(view.answer, "ok") == ("10.0.0.2",)
    assert told(view.answer, "2.0.0.10.in-addr.arpa", "PTR") is Verdict.FORWARD


def test_bad_queries_are_told_so_or_ignored(directory: Directory) -> None:
    view = directory.view((N1,))
    request = dns.message.make_query("a2", "A").to_wire()
    assert view.answer(request[:5]) is Verdict.IGNORE
    assert dns.message.from_wire(view.answer(request + b"x")).rcode() == dns.rcode.FORMERR
