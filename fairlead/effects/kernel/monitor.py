"""Noticing what others do to our links and tables, by rtnetlink's and nf_tables' multicast groups.

Changes of nf_tables carry the port id of the socket that made them: ours are passed over. Links carry no author, but we
move every link into the doomed group before we delete it, and its last message says so. The loss of links is reported
for those whose alias begins with our owner tag, and of all others that they have appeared. When the kernel had to drop
messages, everything is suspect: `messages-lost`.

An attach and a detach of our own make some twenty messages, while the thread that works on them wants the interpreter
for itself. Filters in the kernel drop what says nothing: ports of bridges told a second time, links that are being made
(`reaper.NEWBORN`) or doomed, and our own changes of tables. What remains of links is let gather for a moment and read
at once; `gather` begins that before the first message comes.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterable

from fairlead.effects.kernel import links
from fairlead.effects.kernel import nft_constants as nf
from fairlead.effects.kernel import socket_filter as bpf
from fairlead.effects.kernel.attributes import parse, read_text
from fairlead.effects.kernel.ear import listener
from fairlead.effects.kernel.link_reader import EVERY_LINK, SeenLink, read_link
from fairlead.effects.kernel.netlink import DUMP, HEADER, NETFILTER, REQUEST, ROUTE, split_with_sender
from fairlead.effects.kernel.reaper import DOOMED, NEWBORN
from fairlead.model.observed import Drift

GATHERING = 0.02
"""Seconds that changes of links wait to be read."""

NFTABLES_GROUP = 1 << 6
_LINK_GROUP = 1
_RECEIVE = 1 << 16
_BUFFER = 8 << 20
_BURST = 64
_NFNL_HEADER = 4
_MULTI = 0x2

_TABLE_EVENTS = {
    nf.message_type(nf.DELTABLE): ("table-gone", nf.TABLE_NAME),
    nf.message_type(nf.DELCHAIN): ("table-gone", nf.CHAIN_TABLE),
    nf.message_type(nf.DELRULE): ("table-gone", nf.RULE_TABLE),
    nf.message_type(nf.DELSET): ("table-gone", nf.SET_TABLE),
    nf.message_type(nf.DELSETELEM): ("element-gone", nf.LIST_TABLE),
}


class Monitor:
    """Listens on the running event loop, in the namespace of its thread. `port_id` is our own of nf_tables."""

    def __init__(self, owner: str, port_id: int, on_drift: Callable[[Drift], None]) -> None:
        self._owner, self._port_id, self._on_drift = owner, port_id, on_drift
        self._up: set[int] = set()
        self._wired: set[int] = set()
        self._names: dict[int, str] = {}
        self._loop = asyncio.get_running_loop()
        self._links = listener((ROUTE, _LINK_GROUP), steps=_tells_of_links(), buffer=_BUFFER)
        self._rules = listener((NETFILTER, NFTABLES_GROUP), steps=_not_from(port_id), buffer=_BUFFER)
        self._links_port = self._links.getsockname()[0]
        self._reading: asyncio.TimerHandle | None = None
        self._loop.add_reader(self._links.fileno(), self.gather)
        self._loop.add_reader(self._rules.fileno(), self._drain, self._rules, self._rules_changed)
        self._ask_for_links()

    def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        for each in (self._links, self._rules):
            self._loop.remove_reader(each.fileno())
            each.close()

    def _ask_for_links(self) -> None:
        """The answer comes as though every link had just changed, which tells which of them are up."""
        header = HEADER.pack(HEADER.size + len(EVERY_LINK.body), EVERY_LINK.type, REQUEST | DUMP, 1, 0)
        self._links.send(header + EVERY_LINK.body)

    def gather(self) -> None:
        """Let what is said of links wait for a moment, from now on."""
        if self._reading is None:
            self._loop.remove_reader(self._links.fileno())
            self._reading = self._loop.call_later(GATHERING, self._read_links)

    def _read_links(self) -> None:
        self._reading = None
        self._loop.add_reader(self._links.fileno(), self.gather)
        self._drain(self._links, self._link_changed)

    def _drain(self, source: socket.socket, read: Callable[[int, int, bytes], Iterable[Drift]]) -> None:
        """Read a burst; the same drift is reported once however many messages tell of it."""
        drifts: dict[Drift, None] = {}
        for _ in range(_BURST):
            try:
                datagram = source.recv(_RECEIVE)
            except BlockingIOError:
                break
            except OSError as overrun:
                if overrun.errno != errno.ENOBUFS:
                    raise
                drifts[Drift("messages-lost", "")] = None
                continue
            for kind, _, _, port, payload in split_with_sender(datagram):
                drifts.update(dict.fromkeys(read(kind, port, payload)))
        for drift in drifts:
            self._on_drift(drift)

    def _link_changed(self, kind: int, port: int, payload: bytes) -> Iterable[Drift]:
        if kind not in (links.NEWLINK, links.DELLINK) or payload[0] != socket.AF_UNSPEC:
            return
        link = read_link(payload)
        was_up = link.index in self._up
        if link.up and kind == links.NEWLINK:
            self._up.add(link.index)
        else:
            self._up.discard(link.index)
        was_wired = self._note_wire(link)
        appeared = self._note_name(link, kind == links.NEWLINK)
        if link.group == DOOMED:
            return
        if not link.alias.startswith(self._owner):
            if appeared and port != self._links_port:
                yield Drift("link-new", link.name)
            return
        if kind == links.DELLINK:
            yield Drift("link-gone", link.name)
        elif was_up and not link.up:
            yield Drift("link-down", link.name)
        elif was_wired and link.index not in self._wired:
            yield Drift("link-cut", link.name)

    def _note_wire(self, link: SeenLink) -> bool:
        """Whether frames passed between the link's other end and its bridge until now."""
        was_wired = link.index in self._wired
        if link.master and link.carries:
            self._wired.add(link.index)
        else:
            self._wired.discard(link.index)
        return was_wired

    def _note_name(self, link: SeenLink, there: bool) -> bool:
        """Whether the link has a name now that it had not before."""
        known = self._names.pop(link.index, "")
        if there:
            self._names[link.index] = link.name
        return there and known != link.name

    def _rules_changed(self, kind: int, port: int, payload: bytes) -> Iterable[Drift]:
        lost = table_lost(kind, payload)
        if lost is not None and port != self._port_id:
            yield Drift(*lost)


def table_lost(kind: int, payload: bytes) -> tuple[str, str] | None:
    """Whether a message of nf_tables tells of a loss: what kind of drift that is, and the table's name."""
    if kind not in _TABLE_EVENTS:
        return None
    what, name = _TABLE_EVENTS[kind]
    return what, read_text(parse(payload, _NFNL_HEADER).get(name, b""))


def _tells_of_links() -> list[bpf.Step]:
    """Pass answers to our own question; of the rest what is not about the port of a bridge, nor (but for its end) about
    a link that is being made or doomed."""
    return [
        bpf.half(bpf.FLAGS_AT),
        bpf.masked("=H", _MULTI),
        bpf.pass_if("=H", _MULTI),
        bpf.byte(bpf.PAYLOAD_AT),
        *bpf.drop_unless("=B", socket.AF_UNSPEC),
        bpf.half(bpf.TYPE_AT),
        bpf.pass_unless("=H", links.NEWLINK),
        *bpf.attribute_word(links.GROUP, bpf.PAYLOAD_AT + links.INFO.size),
        bpf.drop_if("=I", NEWBORN),
        bpf.drop_if("=I", DOOMED),
    ]


def _not_from(port_id: int) -> list[bpf.Step]:
    """A datagram of nf_tables holds messages of one transaction, and so of one sender."""
    return [bpf.word(bpf.PORT_AT), bpf.drop_if("=I", port_id)]
