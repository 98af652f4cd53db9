"""The resolver's sockets: 127.0.0.11 in every sandbox, all on the daemon's one loop.

Each sandbox has a UDP socket and a TCP listener on ports that the kernel chose (port 53 of the address
is translated to them by the sandbox's own rules). A wake-up takes at most `BUDGET` datagrams from
a socket before the loop turns to the others, so a flood in one sandbox delays another by a fraction of a
millisecond. What is said is decided elsewhere: a `Resolver` for each sandbox answers at once or
passes, a `Relay` pursues what was passed; this shell moves bytes between them and the sockets.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from socket import SOCK_DGRAM, SOCK_STREAM, socket

from fairlead.effects.kernel.netns import SocketSpec, open_sockets
from fairlead.effects.wire.batch import Batch
from fairlead.effects.wire.dns_forward import UpstreamSockets
from fairlead.effects.wire.dns_relay import Relay, Resolver
from fairlead.effects.wire.dns_tcp import CONNECTIONS, TcpClient
from fairlead.model.dns import DnsPorts, Verdict
from fairlead.model.errors import Failed, KernelRefused
from fairlead.model.plan import HOST

ADDRESS = "127.0.0.11"
BUDGET = 64
_DATAGRAM_MAX = 4096
"""The longest query that is read whole, and the longest reply that is given by UDP."""

_ACCEPT_PAUSE = 1.0

_ANY = DnsPorts(0, 0)

_log = logging.getLogger(__name__)


class _Sandbox:
    """One sandbox's sockets and clients."""

    __slots__ = ("clients", "id", "listener", "ns_path", "resolver", "udp")

    def __init__(self, sandbox_id: str, ns_path: str, resolver: Resolver, udp: socket, listener: socket) -> None:
        self.id, self.ns_path, self.resolver = sandbox_id, ns_path, resolver
        self.udp, self.listener = udp, listener
        self.clients: dict[TcpClient, None] = {}

    @property
    def ports(self) -> DnsPorts:
        return DnsPorts(self.udp.getsockname()[1], self.listener.getsockname()[1])


class DnsServer:
    """See the module. To be made, and used, on a running loop."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._loop = asyncio.get_running_loop()
        self._sandboxes: dict[str, _Sandbox] = {}
        self._waiting: dict[int, tuple[str, Callable[[bytes], None]]] = {}
        self._tokens = count(1)
        self._timer: asyncio.TimerHandle | None = None
        self._batch = Batch(BUDGET, _DATAGRAM_MAX)
        self._accepting: set[asyncio.Task[None]] = set()
        self._counts: Counter[str] = Counter()
        self._upstreams = UpstreamSockets(relay, self._open_socket, self._pump)

    # --- sandboxes --------------------------------------------------------------------------------

    def open(self, sandbox_id: str, ns_path: str, resolver: Resolver, again: DnsPorts | None = None) -> DnsPorts:
        """Listen inside the namespace, at the ports of an earlier life (`again`) if they are free. Raises
        KernelRefused; an open sandbox stays as it is."""
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None:
            udp, listener = _listen(ns_path, again)
            sandbox = self._sandboxes[sandbox_id] = _Sandbox(sandbox_id, ns_path, resolver, udp, listener)
            self._loop.add_reader(udp.fileno(), self._on_datagrams, sandbox)
            self._loop.add_reader(listener.fileno(), self._on_connections, sandbox)
        return sandbox.ports

    def close(self, sandbox_id: str) -> None:
        """Close every socket inside the namespace; unknown is fine."""
        sandbox = self._sandboxes.pop(sandbox_id, None)
        if sandbox is None:
            return
        for sock in (sandbox.udp, sandbox.listener):
            self._loop.remove_reader(sock.fileno())
            sock.close()
        for client in list(sandbox.clients):
            client.abort()
        self._relay.forget(sandbox_id)
        self._upstreams.forget(sandbox_id)
        for token in [token for token, (owner, _) in self._waiting.items() if owner == sandbox_id]:
            del self._waiting[token]

    def close_all(self) -> None:
        """Stop altogether."""
        for sandbox_id in list(self._sandboxes):
            self.close(sandbox_id)
        self._upstreams.close()
        if self._timer is not None:
            self._timer.cancel()

    def counters(self) -> Mapping[str, int]:
        """Since the start: queries by UDP and TCP, answered here; and those of the relay."""
        return {**self._counts, **self._relay.counters()}

    def _open_socket(self, sandbox_id: str, family: int, kind: int) -> socket:
        if not sandbox_id:
            return open_sockets(HOST, [SocketSpec(kind, family=family, reuse=False)])[0]
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None:
            raise Failed("the sandbox is closed")
        return open_sockets(sandbox.ns_path, [SocketSpec(kind, family=family, reuse=False)])[0]

    # --- clients ----------------------------------------------------------------------------------

    def _on_datagrams(self, sandbox: _Sandbox) -> None:
        answered, undone = self._batch.serve(sandbox.udp.fileno(), sandbox.resolver.answer)
        self._counts["answered"] += answered
        for client, data, verdict in undone:
            if verdict is Verdict.FORWARD:
                self._ask(sandbox, data, partial(_send, sandbox.udp, client), stream=False)
        if undone:
            self._pump()

    def _on_connections(self, sandbox: _Sandbox) -> None:
        for _ in range(BUDGET):
            try:
                sock, _ = sandbox.listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # Out of descriptors, most likely: a level-triggered loop would spin on it.
                _log.warning("cannot accept a DNS client of sandbox %s: %s", sandbox.id[:12], error)
                self._loop.remove_reader(sandbox.listener.fileno())
                self._loop.call_later(_ACCEPT_PAUSE, self._accept_again, sandbox)
                return
            sock.setblocking(False)
            task = self._loop.create_task(self._attend(sandbox, sock))
            self._accepting.add(task)
            task.add_done_callback(self._accepting.discard)

    def _accept_again(self, sandbox: _Sandbox) -> None:
        if self._sandboxes.get(sandbox.id) is sandbox:
            self._loop.add_reader(sandbox.listener.fileno(), self._on_connections, sandbox)

    async def _attend(self, sandbox: _Sandbox, sock: socket) -> None:
        ask = partial(self._on_stream_query, sandbox)
        await self._loop.connect_accepted_socket(lambda: TcpClient(ask, sandbox.clients), sock)

    def _on_stream_query(self, sandbox: _Sandbox, data: bytes, tell: Callable[[bytes], None]) -> bool:
        reply = sandbox.resolver.answer_stream(data)
        if isinstance(reply, bytes):
            self._counts["answered"] += 1
            tell(reply)
        elif reply is Verdict.FORWARD:
            self._ask(sandbox, data, tell, stream=True)
            self._pump()
        return reply is not Verdict.IGNORE

    # --- the way out ------------------------------------------------------------------------------

    def _ask(self, sandbox: _Sandbox, data: bytes, tell: Callable[[bytes], None], *, stream: bool) -> None:
        token = next(self._tokens)
        self._waiting[token] = (sandbox.id, tell)
        self._relay.ask(sandbox.id, token, data, sandbox.resolver.upstreams, self._loop.time(), stream=stream)

    def _pump(self) -> None:
        """Carry out what the relay wants, until it wants nothing more."""
        while True:
            transmits, events = self._relay.transmits(), self._relay.events()
            if not transmits and not events:
                break
            for transmit in transmits:
                self._upstreams.send(transmit)
            for event in events:
                waiting = self._waiting.pop(event.token, None)
                if waiting is not None:
                    waiting[1](event.data)
        self._arm()

    def _arm(self) -> None:
        deadline = self._relay.next_deadline()
        if self._timer is not None and (deadline is None or self._timer.when() != deadline[0]):
            self._timer.cancel()
            self._timer = None
        if deadline is not None and self._timer is None:
            self._timer = self._loop.call_at(deadline[0], self._on_timeout)

    def _on_timeout(self) -> None:
        self._timer = None
        self._relay.handle_timeout(self._loop.time())
        self._pump()


def _send(sock: socket, client: tuple[str, int], reply: bytes) -> None:
    try:
        sock.sendto(reply, client)
    except OSError as error:
        _log.debug("a reply was lost: %s", error)


def _listen(ns_path: str, again: DnsPorts | None) -> list[socket]:
    if again is not None:
        try:
            return open_sockets(ns_path, _listening(again))
        except KernelRefused as refused:
            if refused.missing:
                raise
    return open_sockets(ns_path, _listening(_ANY))


def _listening(ports: DnsPorts) -> tuple[SocketSpec, SocketSpec]:
    """Without SO_REUSEADDR: with it a process of the container could bind the same port and take the queries."""
    return (
        SocketSpec(SOCK_DGRAM, (ADDRESS, ports.udp), reuse=False),
        SocketSpec(SOCK_STREAM, (ADDRESS, ports.tcp), backlog=CONNECTIONS, reuse=False),
    )
