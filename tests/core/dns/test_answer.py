"""The way out of a sandbox, and the refusal where there is none."""

from ipaddress import ip_address

import dns.message
import pytest

from fairlead.core.dns.answer import SandboxResolver
from fairlead.core.dns.directory import Directory, Sight
from fairlead.model.dns import Upstream, Verdict
from tests.core.dns.asking import ask, entry, told

HOST = Upstream(ip_address("192.168.50.1"))
OWN = Upstream(ip_address("172.18.0.9"), inside=True)


@pytest.fixture
def resolver() -> SandboxResolver:
    directory = Directory()
    directory.put("1", "n1", entry("web", "web", "172.18.0.2"))
    return SandboxResolver(directory.view((Sight("1", "n1"),)), (HOST,))


def test_unknown_names_go_to_the_servers(resolver: SandboxResolver) -> None:
    assert told(resolver.answer, "outside.test") is Verdict.FORWARD
    assert resolver.upstreams == (HOST,)


def test_an_internal_sandbox_tells_the_hosts_servers_nothing(resolver: SandboxResolver) -> None:
    resolver.confine(True)
    assert resolver.upstreams == ()
    for answer in (resolver.answer, resolver.answer_stream):
        assert ask(answer, "secret.exfiltrated.test").rcode == "SERVFAIL"
        assert told(answer, "web") == ("172.18.0.2",)


def test_an_internal_sandbox_may_ask_the_server_its_user_named(resolver: SandboxResolver) -> None:
    resolver.confine(True)
    resolver.offer((HOST, OWN))
    assert resolver.upstreams == (OWN,)
    assert told(resolver.answer, "outside.test") is Verdict.FORWARD


def test_a_way_out_that_opens_is_taken(resolver: SandboxResolver) -> None:
    resolver.confine(True)
    resolver.confine(False)
    assert told(resolver.answer, "outside.test") is Verdict.FORWARD


def test_a_sandbox_without_servers_refuses(resolver: SandboxResolver) -> None:
    resolver.offer(())
    assert ask(resolver.answer, "outside.test").rcode == "SERVFAIL"


def test_what_is_no_query_is_not_forwarded(resolver: SandboxResolver) -> None:
    resolver.confine(True)
    request = dns.message.make_query("web", "A").to_wire()
    assert resolver.answer(request[:3]) is Verdict.IGNORE
