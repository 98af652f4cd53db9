"""What a sandbox is told: what its view knows, or the way out, or a refusal where there is none.

Forwarding is egress. A sandbox none of whose networks leads outside must not tell the world anything
in the names that it asks for (CVE-2024-29018: it did, because the host asked on its behalf), so for it
the servers of the host do not exist. A server that the user named with `--dns` stays: it is asked
from inside the sandbox, whose routes reach exactly what the sandbox may reach, which may well be a
resolver on that same internal network. Where no server is left the refusal is immediate:
silence would cost every client its timeout.
"""

from __future__ import annotations

from fairlead.core.dns.codes import Rcode
from fairlead.core.dns.view import View
from fairlead.core.dns.wire import fail, parse_query
from fairlead.model.dns import Upstream, Verdict


class SandboxResolver:
    """The resolver of one sandbox: `view` and the servers may be exchanged while it is in use."""

    __slots__ = ("_internal", "_offered", "upstreams", "view")

    def __init__(self, view: View, upstreams: tuple[Upstream, ...] = (), internal: bool = False) -> None:
        self.view = view
        self._offered, self._internal = upstreams, internal
        self.upstreams = _usable(upstreams, internal)

    def offer(self, upstreams: tuple[Upstream, ...]) -> None:
        """These are the servers from now on."""
        self._offered = upstreams
        self.upstreams = _usable(upstreams, self._internal)

    def confine(self, internal: bool) -> None:
        """Whether no network of the sandbox leads outside."""
        self._internal = internal
        self.upstreams = _usable(self._offered, internal)

    def answer(self, data: bytes) -> bytes | Verdict:
        """The reply to a datagram, or what else shall become of it."""
        reply = self.view.answer(data)
        return self._servfail(data) if reply is Verdict.FORWARD and not self.upstreams else reply

    def answer_stream(self, data: bytes) -> bytes | Verdict:
        """The same for a message that came by TCP."""
        reply = self.view.answer_stream(data)
        return self._servfail(data) if reply is Verdict.FORWARD and not self.upstreams else reply

    def _servfail(self, data: bytes) -> bytes:
        return fail(parse_query(data), Rcode.SERVFAIL)


def _usable(upstreams: tuple[Upstream, ...], internal: bool) -> tuple[Upstream, ...]:
    return tuple(upstream for upstream in upstreams if upstream.inside or not internal)
