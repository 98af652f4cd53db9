"""What the resolver's shell needs from those who decide. `fairlead.core.dns` fulfils both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from fairlead.model.dns import Channel, Reply, Transmit, Upstream, Verdict


class Resolver(Protocol):
    """The answers for one sandbox."""

    @property
    def upstreams(self) -> Sequence[Upstream]:
        """Who is asked for what is not answered here; not empty when a query is to be forwarded."""
        ...

    def answer(self, data: bytes) -> bytes | Verdict: ...

    def answer_stream(self, data: bytes) -> bytes | Verdict: ...


class Relay(Protocol):
    """The state machine of forwarded queries."""

    def ask(
        self, sandbox: str, token: int, data: bytes, upstreams: Sequence[Upstream], now: float, *, stream: bool
    ) -> None: ...

    def receive(self, data: bytes, source: Channel, now: float) -> None: ...

    def failed(self, channel: Channel, now: float, number: int | None = None) -> None: ...

    def forget(self, sandbox: str) -> None: ...

    def handle_timeout(self, now: float) -> None: ...

    def next_deadline(self) -> tuple[float, str] | None: ...

    def transmits(self) -> Sequence[Transmit]: ...

    def events(self) -> Sequence[Reply]: ...

    def counters(self) -> Mapping[str, int]: ...
