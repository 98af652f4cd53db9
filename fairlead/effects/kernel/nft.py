"""nf_tables by netlink: whole tables, elements and what stands in the kernel.

A transaction is one batch: it becomes visible as a whole, or the kernel refuses all of it and names every message
that failed. That is what makes element changes idempotent on every kernel: an addition is first tried as exclusive,
a removal as strict; those that the kernel calls superfluous are left out of the next try. What is left in the end is
exactly what was changed, which is also what an undo must reverse. The usual case is one send.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from struct import pack

from fairlead.effects.kernel import nft_constants as nf
from fairlead.effects.kernel.attributes import attribute, be32, nested, parse, read_text, text
from fairlead.effects.kernel.netlink import APPEND, CREATE, EXCLUDE, Ack, Channel, Message
from fairlead.effects.kernel.nft_rules import CompiledRule, NamedSet, RuleCompiler
from fairlead.effects.kernel.nft_sets import (
    Shape,
    anonymous_set,
    comment_userdata,
    element_lists,
    encode_element,
    encode_key,
    named_set,
    read_comment,
    read_elements,
    read_shape,
    shape_of,
)
from fairlead.effects.kernel.nft_types import bounds
from fairlead.model.errors import KernelRefused
from fairlead.model.ruleset import Chain, Element, Table, Transaction

_HEADER_SIZE = 4
_TRIES = 5
_BEGIN = Message(nf.BATCH_BEGIN, 0, pack("=BB", 0, 0) + pack(">H", nf.SUBSYSTEM))
_END = Message(nf.BATCH_END, 0, _BEGIN.body)


def message(family: str, number: int, flags: int, attributes: bytes) -> Message:
    header = pack("=BB", nf.FAMILIES[family], 0) + b"\0\0"
    return Message(nf.message_type(number), flags, header + attributes)


def table_messages(table: Table, elements: Sequence[Element] = ()) -> list[Message]:
    """Everything that writes a table in place of whatever stood there, without the batch around it.

    Raises ValueError for what cannot be expressed."""
    return [*erase_messages(table.family, table.name), *_TableWriter(table).messages(elements)]


def erase_messages(family: str, name: str) -> list[Message]:
    """Remove a table, whether it is there or not: made first, so that the removal always finds it."""
    attributes = text(nf.TABLE_NAME, name)
    return [message(family, nf.NEWTABLE, CREATE, attributes), message(family, nf.DELTABLE, 0, attributes)]


class _TableWriter:
    def __init__(self, table: Table) -> None:
        ids = count(1)
        self._table = table
        self._next_id = ids.__next__
        self._sets = {each.name: NamedSet(shape_of(each), next(ids)) for each in table.sets}
        self._compiler = RuleCompiler(table.family, self._sets, self._next_id)

    def messages(self, elements: Sequence[Element]) -> list[Message]:
        name = self._table.name
        result = [self._new(nf.NEWTABLE, text(nf.TABLE_NAME, name))]
        for declared in self._table.sets:
            result.append(self._new(nf.NEWSET, named_set(name, declared, self._sets[declared.name].id)))
        result += [self._new(nf.NEWCHAIN, self._chain(chain)) for chain in self._table.chains]
        for chain in self._table.chains:
            result += self._rules(chain)
        return result + self._elements(elements)

    def _new(self, number: int, attributes: bytes) -> Message:
        return message(self._table.family, number, CREATE, attributes)

    def _chain(self, chain: Chain) -> bytes:
        parts = [text(nf.CHAIN_TABLE, self._table.name), text(nf.CHAIN_NAME, chain.name)]
        if chain.hook:
            hooks = {"arp": nf.ARP_HOOKS, "netdev": nf.NETDEV_HOOKS}.get(self._table.family, nf.HOOKS)
            place = be32(nf.HOOK_NUMBER, hooks[chain.hook]) + be32(nf.HOOK_PRIORITY, chain.priority & 0xFFFFFFFF)
            device = text(nf.HOOK_DEVICE, chain.device) if chain.device else b""
            parts.append(nested(nf.CHAIN_HOOK, place, device))
            parts += [be32(nf.CHAIN_POLICY, nf.POLICIES[chain.policy]), text(nf.CHAIN_TYPE, chain.kind)]
        return b"".join(parts)

    def _rules(self, chain: Chain) -> Iterable[Message]:
        for rule in chain.rules:
            compiled = self._compiler.compile(rule)
            yield from self._anonymous_sets(compiled)
            head = text(nf.RULE_TABLE, self._table.name) + text(nf.RULE_CHAIN, chain.name)
            body = head + nested(nf.RULE_EXPRESSIONS, compiled.expressions)
            if rule.comment:
                body += attribute(nf.RULE_USERDATA, comment_userdata(rule.comment))
            yield message(self._table.family, nf.NEWRULE, CREATE | APPEND, body)

    def _anonymous_sets(self, compiled: CompiledRule) -> Iterable[Message]:
        name = self._table.name
        for each in compiled.sets:
            yield self._new(nf.NEWSET, anonymous_set(name, each.shape, each.id))
            for attributes in element_lists(name, "__set%d", each.elements, each.id):
                yield self._new(nf.NEWSETELEM, attributes)

    def _elements(self, elements: Sequence[Element]) -> list[Message]:
        by_set: dict[str, list[Element]] = {}
        for element in elements:
            by_set.setdefault(element.set, []).append(element)
        result: list[Message] = []
        for name, members in by_set.items():
            if name not in self._sets:
                raise ValueError(f"table {self._table.name} has no set {name!r}")
            shape = self._sets[name].shape
            encoded = [encode_element(shape, member) for member in members]
            result += [self._new(nf.NEWSETELEM, each) for each in element_lists(self._table.name, name, encoded)]
        return result


@dataclass(frozen=True, slots=True)
class _Step:
    """One message of a transaction, and the element it stands for."""

    message: Message
    element: Element | None = None
    removes: bool = False


class Nftables:
    """The nf_tables of one network namespace, over one netlink socket."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._shapes: dict[tuple[str, str, str], Shape | None] = {}

    def commit(self, transaction: Transaction) -> Transaction:
        """Do it; returns the part that changed something, fit for `inverse()`. Raises KernelRefused."""
        words = _words(transaction)
        try:
            steps = self._steps(transaction)
        except (ValueError, KeyError) as unfit:
            raise KernelRefused(words, errno.EINVAL, str(unfit)) from unfit
        if transaction.replace or transaction.destroy:
            self._forget(transaction)
        done = self._settle(transaction, steps, words)
        added = tuple(step.element for step in done if step.element and not step.removes)
        removed = tuple(step.element for step in done if step.element and step.removes)
        kept = transaction.add if transaction.replace else added
        return replace(transaction, add=kept, remove=removed, likely=())

    def _steps(self, transaction: Transaction) -> list[_Step]:
        family, table = transaction.family, transaction.table
        steps = self._ensured(transaction.ensure) if transaction.ensure else []
        if transaction.replace:
            return steps + [_Step(each) for each in table_messages(transaction.replace, transaction.add)]
        if transaction.destroy:
            steps += [_Step(each) for each in erase_messages(family, table)]
        steps += [step for each in transaction.remove if (step := self._removal(family, table, each))]
        absent = [each for each in transaction.likely if not self._stands(family, table, each)]
        return steps + [self._addition(family, table, each) for each in (*transaction.add, *absent)]

    def _ensured(self, table: Table) -> list[_Step]:
        """Those parts of the table that are absent."""
        there = self.chains(table.family, table.name)
        absent = tuple(chain for chain in table.chains if there is None or chain.name not in there)
        if there is not None and not absent:
            return []
        return [_Step(each) for each in _TableWriter(replace(table, chains=absent)).messages(())]

    def _addition(self, family: str, table: str, element: Element) -> _Step:
        shape = self.shape(family, table, element.set)
        if shape is None:
            raise KernelRefused(f"add to nft set {family} {table} {element.set}", errno.ENOENT)
        attributes = element_lists(table, element.set, (encode_element(shape, element),))[0]
        return _Step(message(family, nf.NEWSETELEM, CREATE | EXCLUDE, attributes), element)

    def _removal(self, family: str, table: str, element: Element) -> _Step | None:
        shape = self.shape(family, table, element.set)
        if shape is None:
            return None
        attributes = element_lists(table, element.set, (encode_key(shape, element.key),))[0]
        return _Step(message(family, nf.DELSETELEM, 0, attributes), element, removes=True)

    def _settle(self, transaction: Transaction, steps: list[_Step], words: str) -> list[_Step]:
        """Send until the kernel takes it, each time without what it called superfluous."""
        for _ in range(_TRIES):
            if not steps:
                return steps
            failed = self._channel.transact([_BEGIN, *(step.message for step in steps), _END])
            if not failed:
                return steps
            whole = failed.get(0) or failed.get(len(steps) + 1)
            if whole:
                raise _refused(words, whole)
            steps = [
                kept
                for index, step in enumerate(steps, 1)
                for kept in (self._second(transaction, step, failed[index], words) if index in failed else [step])
            ]
        raise KernelRefused(words, errno.EAGAIN, "somebody else keeps changing it")

    def _second(self, transaction: Transaction, step: _Step, ack: Ack, words: str) -> list[_Step]:
        """What to do instead of a step that failed: nothing, or first remove what is in its way."""
        if step.element is None:
            raise KernelRefused(f"{words}, {_object(step.message)}", ack.errno, ack.detail)
        if step.removes and ack.errno == errno.ENOENT:
            self._forget(transaction)
            return []
        if step.removes or ack.errno not in (errno.EEXIST, errno.EBUSY):
            self._forget(transaction)
            raise _refused(words, ack)
        return self._present(transaction, step, ack, words)

    def _present(self, transaction: Transaction, step: _Step, ack: Ack, words: str) -> list[_Step]:
        """The key is there. With the same data nothing is to do; other data are replaced."""
        assert step.element is not None
        family, table, wanted = transaction.family, transaction.table, step.element
        shape = self.shape(family, table, wanted.set)
        old = self._like(family, table, shape, wanted) if shape else None
        if old is None:
            raise _refused(words, ack)
        if old.data == wanted.data:
            return []
        removal = self._removal(family, table, old)
        return [removal, step] if removal else [step]

    def _stands(self, family: str, table: str, element: Element) -> bool:
        shape = self.shape(family, table, element.set)
        old = self._like(family, table, shape, element) if shape else None
        return old is not None and old.data == element.data

    def _like(self, family: str, table: str, shape: Shape, wanted: Element) -> Element | None:
        """The element that stands under the same key."""
        if shape.interval:
            found = self.elements(family, table, wanted.set) or []
        else:
            key = element_lists(table, wanted.set, (encode_key(shape, wanted.key),))[0]
            answer = self._channel.ask([message(family, nf.GETSETELEM, 0, key)])[0]
            found = [] if isinstance(answer, Ack) else read_elements(wanted.set, shape, (answer,), _HEADER_SIZE)
        return next((each for each in found if same_key(each, wanted)), None)

    def _forget(self, transaction: Transaction) -> None:
        gone = [key for key in self._shapes if key[:2] == (transaction.family, transaction.table)]
        for key in gone:
            del self._shapes[key]

    # --- reading ----------------------------------------------------------------------------------

    def shape(self, family: str, table: str, set_name: str) -> Shape | None:
        """The shape of a set as the kernel has it; None when there is no such set."""
        key = (family, table, set_name)
        found = self._shapes.get(key)
        if found is None:
            attributes = text(nf.SET_TABLE, table) + text(nf.SET_NAME, set_name)
            answer = self._channel.ask([message(family, nf.GETSET, 0, attributes)])[0]
            found = None if isinstance(answer, Ack) else read_shape(parse(answer, _HEADER_SIZE))
            self._shapes[key] = found
        return found

    def elements(self, family: str, table: str, set_name: str) -> list[Element] | None:
        """Everything in a set or map; None when the table or set is not there."""
        shape = self.shape(family, table, set_name)
        if shape is None:
            return None
        attributes = text(nf.LIST_TABLE, table) + text(nf.LIST_SET, set_name)
        try:
            replies = self._channel.dump(message(family, nf.GETSETELEM, 0, attributes))
        except FileNotFoundError:
            return None
        return read_elements(set_name, shape, replies, _HEADER_SIZE)

    def chains(self, family: str, table: str) -> set[str] | None:
        """The names of a table's chains; None when there is no such table."""
        answer = self._channel.ask([message(family, nf.GETTABLE, 0, text(nf.TABLE_NAME, table))])[0]
        if isinstance(answer, Ack):
            return None
        replies = self._channel.dump(message(family, nf.GETCHAIN, 0, text(nf.CHAIN_TABLE, table)))
        found = [parse(reply, _HEADER_SIZE) for reply in replies]
        return {
            read_text(each[nf.CHAIN_NAME])
            for each, reply in zip(found, replies, strict=True)
            if reply[0] == nf.FAMILIES[family] and read_text(each[nf.CHAIN_TABLE]) == table
        }


def same_key(one: Element, other: Element) -> bool:
    """Whether two elements cover the same keys, however they are written."""
    return [bounds(part) for part in one.key] == [bounds(part) for part in other.key]


def _refused(words: str, ack: Ack) -> KernelRefused:
    return KernelRefused(words, ack.errno, ack.detail)


def _words(transaction: Transaction) -> str:
    place = f"nft table {transaction.family} {transaction.table}"
    if transaction.replace:
        return f"write {place}"
    return f"remove {place}" if transaction.destroy else f"change elements of {place}"


_OBJECTS = {
    nf.NEWTABLE: ("table", nf.TABLE_NAME, 0),
    nf.NEWSET: ("set", nf.SET_NAME, 0),
    nf.NEWCHAIN: ("chain", nf.CHAIN_NAME, 0),
    nf.NEWRULE: ("rule", nf.RULE_CHAIN, nf.RULE_USERDATA),
    nf.NEWSETELEM: ("elements of", nf.LIST_SET, 0),
}


def _object(refused: Message) -> str:
    """What a message of a table is about: a rule is named by its chain and comment."""
    kind, name, userdata = _OBJECTS.get(refused.type & 0xFF, ("object", 0, 0))
    found = parse(refused.body, _HEADER_SIZE)
    words = f"{kind} {read_text(found.get(name, b''))}".rstrip()
    comment = read_comment(found[userdata]) if userdata in found else ""
    return f"{words} ({comment})" if comment else words
