"""What iptables wrote into nf_tables and nft only names: its matches and targets (`xt`).

Connection states and address types decide about nearly every packet of a host that ufw, firewalld or another engine
keeps, so these are decoded (include/uapi/linux/netfilter/xt_conntrack.h, xt_state.h, xt_addrtype.h). Others are kept by
their names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from struct import unpack_from

from fairlead.effects.kernel import nft_constants as nf
from fairlead.effects.kernel.attributes import parse, read_text, walk
from fairlead.model.ruleset import Counter, Ct, Fib, Masquerade, Match, Reject, Statement, Unread

_HANDLE, _EXPRESSIONS = 3, 4
_NAME, _BODY = 1, 2
_XT_NAME, _XT_INFO = 1, 3
_INVALID, _UNTRACKED = 0x1, 0x40
_STATES = {_INVALID: "invalid", 0x2: "established", 0x4: "related", 0x8: "new", _UNTRACKED: "untracked"}
_STATE_ASKED, _STATUS_BITS = 0x1, {0x80: "snat", 0x100: "dnat"}
_ASKED_AT = 146
"""Where `match_flags` of struct xt_conntrack_mtinfo3 lies, behind eight addresses, two times and five ports."""
_TYPES = {0x2: "unicast", 0x4: "local", 0x8: "broadcast", 0x20: "multicast"}
_NO_TRAFFIC = ("LOG", "NFLOG", "TCPMSS", "CHECKSUM", "CT", "CLASSIFY", "TRACE", "AUDIT", "RATEEST", "DSCP", "TTL")

Rules = Mapping[int, Sequence[Statement]]
"""The extensions of a table's rules, by handle, in their order."""


def extensions(replies: Sequence[bytes], family: str, table: str) -> Rules:
    """Of the rules of a table, from a dump of all of its family."""
    found: dict[int, Sequence[Statement]] = {}
    for reply in replies:
        rule = parse(reply, 4)
        if reply[0] == nf.FAMILIES[family] and read_text(rule.get(nf.RULE_TABLE, b"")) == table:
            handle = int.from_bytes(rule[_HANDLE], "big")
            found[handle] = [each for _, raw in walk(rule.get(_EXPRESSIONS, b"")) if (each := _extension(raw))]
    return found


def _extension(raw: bytes) -> Statement | None:
    expression = parse(raw)
    kind, body = read_text(expression.get(_NAME, b"")), parse(expression.get(_BODY, b""))
    if kind not in ("match", "target"):
        return None
    name, info = read_text(body.get(_XT_NAME, b"")), body.get(_XT_INFO, b"")
    if kind == "target":
        return _target(name)
    try:
        return _MATCHES[name](info) or Unread(f"-m {name}") if name in _MATCHES else Unread(f"-m {name}")
    except Exception:
        return Unread(f"-m {name}")


def _target(name: str) -> Statement:
    if name == "REJECT":
        return Reject()
    if name == "MASQUERADE":
        return Masquerade()
    return Counter() if name in _NO_TRAFFIC else Unread(f"-j {name}", decides=True)


def _conntrack(info: bytes) -> Statement | None:
    asked, inverted, states = unpack_from("=HHH", info, _ASKED_AT)
    if asked != _STATE_ASKED or inverted:
        return None
    status = tuple(name for bit, name in _STATUS_BITS.items() if states & bit)
    if status:
        return Match(Ct("status"), "&", status) if not states & ~sum(_STATUS_BITS) else None
    return _state(states)


def _state(states: int) -> Statement | None:
    names = tuple(name for bit, name in _STATES.items() if states & bit)
    return Match(Ct("state"), "&", names) if names else None


def _addrtype(info: bytes) -> Statement | None:
    source, destination, flags = unpack_from("=HHI", info)
    names = [name for bit, name in _TYPES.items() if destination == bit]
    if source or not names or flags & ~0x2:
        return None
    return Match(Fib(("daddr",), "type"), "!=" if flags & 0x2 else "==", names[0])


_MATCHES: Mapping[str, Callable[[bytes], Statement | None]] = {
    "conntrack": _conntrack,
    "state": lambda info: _state(unpack_from("=I", info)[0]),
    "addrtype": _addrtype,
    "comment": lambda info: Counter(),
}
