"""Rules as `nft --json` prints them, as values that the packet's fate can be computed from.

The listing is everybody's: ours, ufw's, firewalld's, what iptables wrote. Each statement that is understood becomes its
value. What is not becomes `Unread` with nft's own text, so that nothing of a rule is lost and nothing is guessed.
Anonymous sets and maps become named ones, under names that nft itself cannot give.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from itertools import count
from typing import Any

from fairlead.effects.kernel import nft_values
from fairlead.effects.kernel.nft_values import Json, StrangeShapeError, selector, selectors
from fairlead.model.ruleset import (
    ClampMss,
    Counter,
    Ct,
    Dnat,
    DnatTo,
    Element,
    Fib,
    InSet,
    Interval,
    Masquerade,
    Match,
    Meta,
    Notrack,
    Payload,
    Redirect,
    Reject,
    Rt,
    Selector,
    Set,
    SetMark,
    SetPayload,
    Snat,
    SnatTo,
    Statement,
    Unread,
    Value,
    VerdictMap,
)

_IDLE = (
    "counter",
    "log",
    "comment",
    "ct count",
    "quota",
    "last",
    "set",
    "map",
    "flow",
    "meter",
    "secmark",
    "connlimit",
)
"""Statements without which the packet would fare no differently, """
_ASKING = frozenset({"match", "limit", "quota", "connlimit", "ct count", "meter"})
"""Statements that end the rule or let it go on."""
_VERDICTS = ("accept", "drop", "continue", "return", "jump", "goto")
_FLAGGED = ("state", "status")


class RuleReader:
    """Reads the rules of one table; what they brought along of anonymous sets is in `sets` and `elements`."""

    def __init__(self, family: str) -> None:
        self._family = family
        self._numbers = count(1)
        self.sets: list[Set] = []
        self.elements: list[Element] = []

    def statements(self, expressions: Sequence[Json], extensions: Sequence[Statement]) -> Iterator[Statement]:
        """`extensions` are those of the rule that iptables wrote and nft only names, in their order."""
        left = iter(extensions)
        for each in expressions:
            if "xt" in each:
                yield next(left, Unread(_text(each), decides=True))
                continue
            try:
                yield self._statement(each)
            except (StrangeShapeError, ValueError, KeyError, TypeError):
                yield Unread(_text(each), decides=not _ASKING & each.keys())

    def _statement(self, found: Json) -> Statement:
        kind = next(iter(found))
        body = found[kind]
        if kind in _VERDICTS:
            return nft_values.verdict(found)
        if kind == "match" and isinstance(body, dict):
            return self._match(body)
        if kind in _TRANSLATIONS and isinstance(body, dict | None):
            return self._translation(kind, body or {})
        if kind == "vmap" and isinstance(body, dict):
            asked = selectors(body["key"])
            return VerdictMap(asked, self._set(asked, body["data"], ("verdict",)))
        if kind == "mangle" and isinstance(body, dict):
            return _mangle(body)
        if kind == "reject":
            return Reject(_reject(body if isinstance(body, dict) else {}))
        if kind == "notrack":
            return Notrack()
        if kind in _IDLE:
            return Counter()
        raise StrangeShapeError(kind)

    def _match(self, body: Json) -> Statement:
        op, left, right = str(body["op"]), body["left"], body["right"]
        if isinstance(left, dict) and "&" in left:
            return _masked(op, left["&"], right)
        asked = selectors(left)
        negated = op == "!="
        if isinstance(right, str) and right.startswith("@"):
            return InSet(asked, right[1:], negated)
        if len(asked) > 1:
            return InSet(asked, self._set(asked, right), negated)
        if isinstance(asked[0], Ct) and asked[0].key in _FLAGGED:
            return _flags(asked[0], op, right)
        values = _values(asked[0], right)
        if len(values) > 1 or (isinstance(right, dict) and "set" in right):
            return Match(asked[0], "not in" if negated else "in", values)
        return Match(asked[0], "!=" if negated else "==", values[0])

    def _set(self, asked: Sequence[Selector], listed: object, data: tuple[str, ...] = ()) -> str:
        """The name of a set or map: its own, or one made for what is listed."""
        if isinstance(listed, str) and listed.startswith("@"):
            return listed[1:]
        kinds = nft_values.kinds_of(asked)
        name = f"<{next(self._numbers)}>"
        for each in _members(listed):
            if data:
                self.elements.append(Element(name, nft_values.key(each[0], kinds), nft_values.data(each[1], data)))
            else:
                self.elements.append(Element(name, nft_values.key(each, kinds)))
        self.sets.append(Set(name, kinds, data))
        return name

    def _translation(self, kind: str, body: Json) -> Statement:
        family = str(body.get("family") or (self._family if self._family in ("ip", "ip6") else "ip"))
        address, port = body.get("addr"), body.get("port", 0)
        if kind == "masquerade":
            return Masquerade()
        if not isinstance(port, int) or (isinstance(address, dict) and "map" not in address):
            raise StrangeShapeError(kind)
        if kind == "redirect":
            return Redirect(port)
        if isinstance(address, dict):
            asked, name = selectors(address["map"]["key"]), address["map"]["data"]
            kinds = ("ipv6_addr" if family == "ip6" else "ipv4_addr",)
            listed = self._set(asked, name, kinds)
            return Dnat(family, asked, listed) if kind == "dnat" else Snat(family, asked, listed)
        fixed = nft_values.plain(address, "ipv4_addr") if address is not None else None
        if kind == "dnat" and (fixed is None or isinstance(fixed, IPv4Address | IPv6Address)):
            return DnatTo(family, fixed, port)
        if kind == "snat" and isinstance(fixed, IPv4Address | IPv6Address):
            return SnatTo(family, fixed, port)
        raise StrangeShapeError(kind)


_TRANSLATIONS = ("dnat", "snat", "masquerade", "redirect")


def _members(listed: object) -> list[Any]:
    """Of an anonymous set, or the one thing that stands in place of it."""
    found = listed["set"] if isinstance(listed, dict) and "set" in listed else listed
    return found if isinstance(found, list) else [found]


def _values(asked: Selector, right: object) -> tuple[Value, ...]:
    if isinstance(asked, Fib | Rt) and right in (False, "missing"):
        return (0,)
    kind = nft_values.kind_of(asked)
    return tuple(nft_values.plain(each, kind) for each in _members(right))


def _flags(asked: Ct, op: str, right: object) -> Match:
    """States of a connection: any of those that are named."""
    words = tuple(map(str, _members(right)))
    if op == "!=":
        raise StrangeShapeError("a state that is not")
    return Match(asked, "&", words)


def _masked(op: str, parts: object, right: object) -> Statement:
    """A single bit of a mark, and the first segment of a connection."""
    if not isinstance(parts, list) or len(parts) != 2:
        raise StrangeShapeError(str(parts))
    asked, mask = selector(parts[0]), parts[1]
    if asked == Payload("tcp", "flags") and op == "==" and right == "syn" and isinstance(mask, list) and "syn" in mask:
        return Match(asked, "&", ("syn",))
    single = isinstance(mask, int) and mask.bit_count() == 1 and (op, right) in (("==", mask), ("!=", 0))
    if single and isinstance(asked, Meta | Ct):
        return Match(asked, "&", mask)
    raise StrangeShapeError(str(parts))


def _mangle(body: Json) -> Statement:
    target, value = body["key"], body["value"]
    match target:
        case {"tcp option": _}:
            return ClampMss()
    asked = selector(target)
    found = selector(value) if isinstance(value, dict) else nft_values.plain(value, nft_values.kind_of(asked))
    if isinstance(found, Interval):
        raise StrangeShapeError(str(value))
    if isinstance(asked, Payload):
        return SetPayload(asked, found)
    if asked in (Meta("mark"), Ct("mark")) and not isinstance(found, str | IPv4Address | IPv6Address):
        return SetMark(found, isinstance(asked, Ct))  # type: ignore[arg-type]
    if isinstance(asked, Meta) and asked.key in ("priority", "nftrace"):
        return Counter()
    raise StrangeShapeError(str(target))


def _reject(body: Json) -> str:
    kind, code = body.get("type", "icmpx"), body.get("expr", "port-unreachable")
    return "tcp reset" if kind == "tcp reset" else str(code)


def _text(found: Json) -> str:
    """A statement that is not understood, as short as its JSON can be made."""
    return json.dumps(found, separators=(",", ":")).replace('"', "")
