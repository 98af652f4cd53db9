"""Bodies for the API that nobody would write on purpose: right keys, and beneath them anything.

The keys and types come from the schema itself, so that a field that is added is tried too. Most values are of the right
type and near what a user means, since nonsense is refused at the door; the rest are whatever JSON can say.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

WORDS = (
    *(
        "",
        "-",
        " ",
        "c1",
        "n1",
        "net1",
        "busybox",
        "busybox:latest",
        "missing:1",
        "sh",
        "true",
        "0",
        "-1",
        "1e9",
        "é\0",
    ),
    *(
        "bridge",
        "host",
        "none",
        "default",
        "overlay",
        "macvlan",
        "ipvlan",
        "null",
        "container:c1",
        "container:",
        "swarm",
    ),
    *(
        "10.66.0.0/24",
        "10.66.0.7",
        "10.66.0.0/99",
        "0.0.0.0/0",
        "fd00:66::/64",
        "fd00:66::7",
        "::",
        "127.0.0.1",
        "256.1",
    ),
    *("80/tcp", "80", "8000-8002/udp", "99999", "53/sctp", "02:42:0a:42:00:07", "00:00:00:00:00:00", "zz", "65536/x"),
    *(
        "always",
        "on-failure",
        "no",
        "any",
        "vip",
        "dnsrr",
        "ingress",
        "bind",
        "volume",
        "tmpfs",
        "private",
        "shareable",
    ),
    *(
        "/",
        "/etc/passwd",
        "../..",
        "/tmp:/x:ro",
        "a=b",
        "=",
        "net.ipv4.ip_forward=1",
        "SIGTERM",
        "999",
        "ALL",
        "json-file",
    ),
    *(
        "eth0",
        "1500",
        "parent",
        "com.docker.network.bridge.name",
        "com.docker.network.driver.mtu",
        "encrypted",
        "a" * 300,
    ),
)
NUMBERS = (0, 1, -1, 2, 80, 65535, 65536, 1 << 31, -(1 << 31), 1 << 62, -(1 << 62), 1_000_000_000)

words = st.one_of(st.sampled_from(WORDS), st.text(max_size=8))
numbers = st.one_of(st.sampled_from(NUMBERS), st.integers(-(1 << 63), (1 << 63) - 1))
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.floats(allow_nan=False, allow_infinity=False), words),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=4,
)


def bodies(kind: type[msgspec.Struct], without: Collection[str] = ()) -> st.SearchStrategy[dict[str, Any]]:
    """What a client might send where `kind` is expected; fields named in `without` stay out."""
    return _struct(inspect.type_info(kind), frozenset(without))  # type: ignore[arg-type]


def _struct(kind: inspect.StructType, without: frozenset[str]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {each.encode_name: each.type for each in kind.fields if each.encode_name not in without}

    @st.composite
    def drawn(draw: st.DrawFn) -> dict[str, Any]:
        chosen = draw(st.lists(st.sampled_from(sorted(fields)), unique=True, max_size=6))
        return {name: draw(_value(fields[name], without)) for name in chosen}

    return drawn()


def _value(kind: inspect.Type, without: frozenset[str]) -> st.SearchStrategy[Any]:
    """Four times in five of the right type."""
    return st.integers(0, 9).flatmap(lambda chance: _right(kind, without) if chance else anything)


def _right(kind: inspect.Type, without: frozenset[str]) -> st.SearchStrategy[Any]:
    if isinstance(kind, inspect.UnionType):
        return st.one_of(*(_right(each, without) for each in kind.types if not isinstance(each, inspect.NoneType)))
    if isinstance(kind, inspect.StructType):
        return st.deferred(lambda: _struct(kind, without))
    if isinstance(kind, inspect.ListType):
        return st.lists(_value(kind.item_type, without), max_size=3)
    if isinstance(kind, inspect.DictType):
        return st.dictionaries(words, _value(kind.value_type, without), max_size=3)
    if isinstance(kind, inspect.BoolType):
        return st.booleans()
    if isinstance(kind, inspect.IntType):
        return numbers
    return words if isinstance(kind, inspect.StrType) else anything
