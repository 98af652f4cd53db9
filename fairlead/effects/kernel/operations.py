"""Every operation of a plan, translated: which messages, what undoes them, which refusals mean "already so"."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

from fairlead.effects.kernel import addresses, ipvs, links, xfrm
from fairlead.effects.kernel.addresses import Route
from fairlead.effects.kernel.announce import announce
from fairlead.effects.kernel.apply import Request, Run
from fairlead.effects.kernel.conntrack import flush_flows
from fairlead.effects.kernel.link_making import make_link
from fairlead.effects.kernel.link_reader import name_of, named_links
from fairlead.effects.kernel.netlink import Message
from fairlead.effects.kernel.netns import forget_namespace, is_namespace, make_namespace, name_namespace
from fairlead.effects.kernel.places import Place
from fairlead.effects.kernel.reaper import DOOMED
from fairlead.effects.kernel.sysctl import read_sysctl, write_sysctl
from fairlead.effects.kernel.words import in_words
from fairlead.model.errors import KernelRefused
from fairlead.model.plan import (
    AddAddress,
    AddAssociation,
    AddFdb,
    AddNamespace,
    AddNeighbour,
    AddPolicy,
    AddPortEntry,
    AddRoute,
    AddRule,
    AnnounceAddress,
    ChangeRules,
    DelAddress,
    DelAssociation,
    DelFdb,
    DelLink,
    DelNamespace,
    DelNeighbour,
    DelPolicy,
    DelPortEntry,
    DelRealServer,
    DelRoute,
    DelRule,
    DelVirtualServer,
    FlushFlows,
    Operation,
    PutRealServer,
    PutVirtualServer,
    SetLink,
    SetSysctl,
    SettleVirtualServers,
)

_MISSING = frozenset((errno.ENOENT, errno.ENODEV, errno.ESRCH, errno.EADDRNOTAVAIL, errno.ENXIO))


def perform(run: Run, operation: Operation) -> None:
    """Carry out one operation, or queue it. Raises KernelRefused."""
    match operation:
        case DelLink() | DelAddress() | DelRoute() | DelRule() | DelNeighbour() | DelFdb() | DelPortEntry():
            _remove(run, operation)
        case AddNamespace() | DelNamespace():
            _change_namespace(run, operation)
        case SetLink():
            _set_link(run, operation)
        case AddAddress():
            _add_address(run, operation)
        case AddRoute():
            _add_route(run, operation)
        case AddRule():
            message = addresses.new_rule(operation)
            request = Request(in_words(operation), (message,), operation.inverse(), on_exists=lambda: None)
            run.send(run.place(operation.ns), request)
        case AddNeighbour() | AddFdb() | AddPortEntry():
            _add_neighbour(run, operation)
        case SetSysctl():
            _set_sysctl(run, operation)
        case AnnounceAddress():
            run.flush()
            announce(operation)
        case AddAssociation() | AddPolicy() | DelAssociation() | DelPolicy():
            _change_xfrm(run, operation)
        case PutVirtualServer() | DelVirtualServer() | PutRealServer() | DelRealServer():
            _change_servers(run, operation)
        case SettleVirtualServers():
            run.flush()
            run.place(operation.ns).ipvs.settle(operation)
        case ChangeRules():
            _change_rules(run, operation)
        case FlushFlows():
            flush_flows(run.place(operation.ns).netfilter, operation)
        case _:
            make_link(run, operation)


def _add_address(run: Run, operation: AddAddress) -> None:
    words, place = in_words(operation), run.place(operation.ns)
    index = run.index(place, operation.link, words)
    message = addresses.new_address(index, operation.address)
    run.send(place, Request(words, (message,), operation.inverse(), on_exists=lambda: None))


def _add_route(run: Run, operation: AddRoute) -> None:
    """With `replace` a different route to that destination gives way, and comes back on undo."""
    words, place = in_words(operation), run.place(operation.ns)
    route = _route(run, place, operation, words)
    route = replace(route, on_link=operation.scope_link)

    def exists() -> Operation | None:
        old = _route_to(place, route)
        if old == route:
            return None
        if not operation.replace:
            raise KernelRefused(words, errno.EEXIST)
        ack = place.route.request([addresses.put_route(route)])[0]
        if ack.errno:
            raise KernelRefused(words, ack.errno, ack.detail)
        return _as_operation(place, old, operation) if old else operation.inverse()

    run.send(place, Request(words, (addresses.new_route(route),), operation.inverse(), on_exists=exists))


def _route(run: Run, place: Place, operation: AddRoute | DelRoute, words: str) -> Route:
    index = run.index(place, operation.link, words) if operation.link else 0
    version = operation.destination.version if operation.destination else operation.family
    return Route(operation.destination, version, index, operation.via, table=operation.table)


def _route_to(place: Place, wanted: Route) -> Route | None:
    """The route of the same table to the same destination; its device is compared only where one is wanted."""
    for found in addresses.every_route(place.route, wanted.version, wanted.table):
        if found.destination == wanted.destination:
            same = found == wanted or (not wanted.index and found.via == wanted.via)
            return wanted if same else found
    return None


def _as_operation(place: Place, route: Route, like: AddRoute) -> AddRoute:
    link = next((name for name, index in place.indexes.items() if index == route.index), "")
    return replace(like, link=link, via=route.via, scope_link=route.on_link, replace=True)


def _add_neighbour(run: Run, operation: AddNeighbour | AddFdb | AddPortEntry) -> None:
    """Any entry for the same key gives way."""
    words, place = in_words(operation), run.place(operation.ns)
    index = run.index(place, operation.link, words)
    first, again = (_entry(index, operation, exclusive) for exclusive in (True, False))

    def exists() -> None:
        ack = place.route.request([again])[0]
        if ack.errno:
            raise KernelRefused(words, ack.errno, ack.detail)

    run.send(place, Request(words, (first,), operation.inverse(), on_exists=exists))


def _entry(index: int, operation: AddNeighbour | AddFdb | AddPortEntry, exclusive: bool) -> Message:
    match operation:
        case AddFdb(mac=mac, remote=remote):
            return addresses.put_forwarding(index, mac, remote, exclusive)
        case AddPortEntry(mac=mac):
            return addresses.put_port_entry(index, mac, exclusive)
        case AddNeighbour(address=address, mac=mac):
            return addresses.put_neighbour(index, address, mac, exclusive)


_Removal = DelAddress | DelRoute | DelRule | DelNeighbour | DelFdb | DelPortEntry


def _remove(run: Run, operation: DelLink | _Removal) -> None:
    """What is missing, with its link or with its whole namespace, is removed already."""
    words = in_words(operation)
    try:
        place = run.place(operation.ns)
        if isinstance(operation, DelLink):
            _delete_link(run, place, operation)
            return
        message = _removal(run, place, operation, words)
        run.send(place, Request(words, (message,), operation.inverse(), tolerated=_MISSING))
    except KernelRefused as refused:
        if not refused.missing:
            raise


def _removal(run: Run, place: Place, operation: _Removal, words: str) -> Message:
    if isinstance(operation, DelRoute):
        return addresses.del_route(_route(run, place, operation, words))
    if isinstance(operation, DelRule):
        return addresses.del_rule(operation)
    index = run.index(place, operation.link, words)
    match operation:
        case DelAddress(address=interface):
            return addresses.del_address(index, interface)
        case DelNeighbour(address=address):
            return addresses.del_neighbour(index, address)
        case DelFdb(mac=mac, remote=remote):
            return addresses.del_forwarding(index, mac, remote)
        case DelPortEntry(mac=mac):
            return addresses.del_port_entry(index, mac)


def _change_namespace(run: Run, operation: AddNamespace | DelNamespace) -> None:
    """Its descriptors and sockets of this plan go first: they would keep it alive."""
    run.flush()
    run.leave(operation.ns)
    path = Path(operation.ns)
    if isinstance(operation, DelNamespace):
        forget_namespace(path)
    elif not is_namespace(path):
        descriptor = make_namespace()
        try:
            name_namespace(descriptor, path)
            run.now(run.host, links.number_namespace(descriptor))
        finally:
            os.close(descriptor)
        run.changed.append(operation.inverse())


def _delete_link(run: Run, place: Place, operation: DelLink) -> None:
    """The doomed group also tells the monitor that it was us."""
    name = operation.name
    place.indexes.pop(name, None)
    doom = links.change(name, links.Change(group=DOOMED))
    if operation.deferred:
        ack = run.now(place, doom)
        run.reaper.doom(operation.ns, name)
    else:
        ack = run.now(place, doom, links.delete(name))
    if ack.errno and ack.errno not in _MISSING:
        run.now(place, links.change(name, links.Change(group=0)))
        raise KernelRefused(in_words(operation), ack.errno, ack.detail)


def _set_link(run: Run, operation: SetLink) -> None:
    words, place = in_words(operation), run.place(operation.ns)
    undo = None
    if run.undoes and (place.path, operation.name) not in run.made:
        run.flush()
        undo = _former_link(place, operation)
    messages: list[Message] = []
    name = operation.name
    if operation.rename and operation.rename != name:
        messages.append(links.rename(run.index(place, name, words), operation.rename))
        place.indexes.pop(name)
        name = operation.rename
    master = operation.master
    index = None if master is None else run.index(place, master, words) if master else 0
    wanted = links.Change(up=operation.up, mtu=operation.mtu, mac=operation.mac, master=index, alias=operation.alias)
    try:
        if wanted != links.Change():
            messages.append(links.change(name, wanted))
        if operation.port:
            messages.append(links.change(name, links.Change(port=operation.port)))
    except KeyError as unknown:
        raise KernelRefused(words, errno.EINVAL, f"no bridge port option {unknown}") from unknown
    if messages:
        run.send(place, Request(words, tuple(messages), undo))


def _former_link(place: Place, operation: SetLink) -> SetLink | None:
    """What gives a link that was there before the plan its former properties back."""
    seen = named_links(place.route, [operation.name])[0]
    if seen is None:
        return None
    return SetLink(
        operation.rename or operation.name,
        operation.ns,
        up=None if operation.up is None else seen.up,
        mtu=None if operation.mtu is None else seen.mtu,
        mac=None if operation.mac is None else seen.mac,
        master=None if operation.master is None else name_of(place.route, seen.master),
        rename=operation.name if operation.rename else None,
        alias=None if operation.alias is None else seen.alias,
        port={name: value for name, value in seen.port.items() if name in operation.port},
    )


def _set_sysctl(run: Run, operation: SetSysctl) -> None:
    """Undo puts the old value back. Many parameters belong to links, so the queue goes first."""
    run.flush()
    before = read_sysctl(operation.path, operation.ns)
    if before != operation.value:
        write_sysctl(operation.path, operation.value, operation.ns)
        if before is not None:
            run.changed.append(replace(operation, value=before))


def _change_xfrm(run: Run, operation: AddAssociation | AddPolicy | DelAssociation | DelPolicy) -> None:
    run.flush()
    changed = xfrm.change(run.place(operation.ns).xfrm, operation)
    undo = operation.inverse()
    if changed and undo is not None:
        run.changed.append(undo)


def _change_servers(run: Run, operation: ipvs.Change) -> None:
    run.flush()
    made = run.place(operation.ns).ipvs.change(operation)
    undo = operation.inverse()
    if made and undo is not None:
        run.changed.append(undo)


def _change_rules(run: Run, operation: ChangeRules) -> None:
    run.flush()
    try:
        changed = run.place(operation.ns).nftables.commit(operation.transaction)
    except KernelRefused as refused:
        wanted = operation.transaction
        only_removes = not (wanted.replace or wanted.ensure or wanted.add or wanted.likely)
        if refused.missing and only_removes:
            return
        raise
    undo = changed.inverse()
    if undo:
        run.changed.append(ChangeRules(undo, operation.ns))
