"""Making links. A name that is taken is looked at: the same link is success, a doomed one is hurried out of the way."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, replace

from fairlead.effects.kernel import links
from fairlead.effects.kernel.apply import Request, Run
from fairlead.effects.kernel.attributes import read_u32
from fairlead.effects.kernel.link_reader import SeenLink, index_of, named_links
from fairlead.effects.kernel.netlink import Ack, Message
from fairlead.effects.kernel.places import Place
from fairlead.effects.kernel.reaper import DOOMED, NEWBORN
from fairlead.effects.kernel.words import in_words
from fairlead.model.errors import KernelRefused
from fairlead.model.plan import AddBridge, AddDummy, AddMacvlan, AddVeth, AddVlan, AddVxlan, Operation

_IN_BETWEEN = "fairlead-born"
_LEAST_MTU6 = 1280
_VLAN_ID = 1
_VXLAN_ID = 1


@dataclass(frozen=True, slots=True)
class _Making:
    """A link to make from `place` so that it lives in `home`, and what tells it from a stranger of its name.

    `finish` goes to it when it is there, `adopt` before that if it was there already.
    """

    birth: links.Birth
    place: Place
    home: Place
    same: Callable[[SeenLink], bool]
    finish: tuple[Message, ...] = ()
    adopt: tuple[Message, ...] = ()


def make_link(run: Run, operation: Operation) -> None:
    """Raises KernelRefused."""
    try:
        making = _making(run, operation)
    except KeyError as unknown:
        raise KernelRefused(in_words(operation), errno.EINVAL, f"unknown option {unknown}") from unknown
    born = _born(run, operation, making)
    undo = operation.inverse()
    if born and undo is not None:
        run.changed.append(undo)
        run.made.add((making.home.path, making.birth.name))
        if isinstance(operation, AddVeth):
            run.made.add((operation.peer_ns, operation.peer))
    messages = making.finish if born else making.adopt + making.finish
    if messages:
        run.send(making.home, Request(in_words(operation), messages))


def _born(run: Run, operation: Operation, making: _Making) -> bool:
    """Whether it had to be made."""
    if isinstance(operation, AddVxlan) and _is_there(run, making):
        return False
    message = links.create(making.birth)
    ack = run.now(making.place, message)
    if ack.errno == errno.EEXIST:
        seen = named_links(making.home.route, [making.birth.name])[0]
        if seen is not None and seen.group == DOOMED:
            run.reaper.reap()
            ack = run.now(making.place, message)
        elif seen is not None and making.same(seen):
            return False
        elif seen is None and making.home is not making.place:
            ack = _born_under_another_name(run, making)
    if ack.errno:
        raise KernelRefused(in_words(operation), ack.errno, ack.detail)
    return True


def _is_there(run: Run, making: _Making) -> bool:
    """Asked before a VXLAN is made: the kernel finds out late that its id is taken, and waits 20 ms to clean up."""
    run.flush()
    seen = named_links(making.home.route, [making.birth.name])[0]
    return seen is not None and seen.group != DOOMED and making.same(seen)


def _born_under_another_name(run: Run, making: _Making) -> Ack:
    """Before 6.15 the kernel wants the name to be free where the message is sent, too, and the host has an `eth0`."""
    ack = run.now(making.place, links.create(replace(making.birth, name=_IN_BETWEEN)))
    if ack.errno:
        return ack
    index = index_of(making.home.route, _IN_BETWEEN)
    ack = run.now(making.home, links.rename(index, making.birth.name))
    if ack.errno:
        run.now(making.home, links.delete(_IN_BETWEEN))
    return ack


def _making(run: Run, operation: Operation) -> _Making:
    match operation:
        case AddVeth():
            return _veth(run, operation)
        case AddBridge():
            return _bridge(run, operation)
        case AddMacvlan():
            return _macvlan(run, operation)
        case AddVlan():
            parent = run.index(run.place(operation.ns), operation.parent, in_words(operation))
            birth = links.Birth(operation.name, "vlan", parent=parent, data=links.vlan_data(operation.vlan))
            return _plain(run, operation, birth, _same_vlan(operation))
        case AddDummy():
            return _plain(run, operation, links.Birth(operation.name, "dummy"), _same_kind("dummy", operation.alias))
        case AddVxlan():
            return _vxlan(run, operation)
    raise TypeError(f"{operation!r} makes no link")


def _veth(run: Run, operation: AddVeth) -> _Making:
    place, peer = run.place(operation.ns), run.place(operation.peer_ns)
    target = 0 if peer is place else peer.descriptor
    master = run.index(place, operation.master, in_words(operation)) if operation.master else 0
    birth = links.Birth(
        operation.name,
        "veth",
        mtu=operation.mtu,
        master=master,
        single_queue=True,
        unqueued=True,
        group=NEWBORN,
        data=links.veth_data(operation.peer, operation.peer_mac, operation.mtu, target),
    )
    # Up and silent in one message, although the kernel raises the link first: without a carrier, since the peer is
    # still down, IPv6 does not begin.
    finish = links.change(
        operation.name,
        links.Change(
            up=True, alias=operation.alias or None, group=0, silent6=_has_ipv6(operation.mtu), port=operation.port
        ),
    )
    adopt = (links.change(operation.name, links.Change(master=master)),)
    return _Making(birth, place, place, _same_kind("veth", operation.alias), (finish,), adopt)


def _has_ipv6(mtu: int) -> bool:
    """The kernel takes IPv6 off a link that is too narrow for it (RFC 8200, 5), and then nothing can be said of it."""
    return mtu == 0 or mtu >= _LEAST_MTU6


def _bridge(run: Run, operation: AddBridge) -> _Making:
    """A bridge keeps an MTU that is set later; one that it was born with gives way to its ports'."""
    options = links.bridge_data(operation.options)
    birth = links.Birth(operation.name, "bridge", operation.mac, unqueued=True, data=options)
    making = _plain(run, operation, birth, _same_kind("bridge", operation.alias))
    return replace(making, finish=(links.change(operation.name, links.Change(mtu=operation.mtu)), *making.finish))


def _vxlan(run: Run, operation: AddVxlan) -> _Making:
    """The socket stays in the namespace where it was asked for, the device moves to its own."""
    underlay = run.place(operation.underlay_ns)
    link = run.index(underlay, operation.link, in_words(operation)) if operation.link else 0
    data = links.vxlan_data(operation.vni, operation.port, operation.local, link, operation.sources)
    home = run.place(operation.ns)
    birth = links.Birth(
        operation.name, "vxlan", mtu=operation.mtu, target=0 if home is underlay else home.descriptor, data=data
    )
    finish = links.change(
        operation.name, links.Change(up=True, alias=operation.alias or None, silent6=_has_ipv6(operation.mtu))
    )
    same = _same_kind("vxlan", operation.alias)
    return _Making(
        birth, underlay, home, lambda seen: same(seen) and read_u32(seen.data[_VXLAN_ID]) == operation.vni, (finish,)
    )


def _macvlan(run: Run, operation: AddMacvlan) -> _Making:
    place, home = run.place(operation.ns), run.place(operation.peer_ns)
    birth = links.Birth(
        operation.name,
        operation.kind,
        operation.mac,
        operation.mtu,
        parent=run.index(place, operation.parent, in_words(operation)),
        target=0 if home is place else home.descriptor,
        data=links.macvlan_data(operation.kind, operation.mode, operation.flag),
    )
    return _Making(birth, place, home, _same_kind(operation.kind, ""))


def _plain(
    run: Run, operation: AddBridge | AddVlan | AddDummy, birth: links.Birth, same: Callable[[SeenLink], bool]
) -> _Making:
    finish = links.change(operation.name, links.Change(up=True, alias=operation.alias or None, group=0))
    place = run.place(operation.ns)
    return _Making(replace(birth, group=NEWBORN), place, place, same, (finish,))


def _same_kind(kind: str, alias: str) -> Callable[[SeenLink], bool]:
    return lambda seen: seen.kind == kind and (not alias or seen.alias == alias)


def _same_vlan(operation: AddVlan) -> Callable[[SeenLink], bool]:
    same = _same_kind("vlan", operation.alias)
    return lambda seen: same(seen) and int.from_bytes(seen.data.get(_VLAN_ID, b""), "little") == operation.vlan
