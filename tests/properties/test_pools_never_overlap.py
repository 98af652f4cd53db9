"""Whatever is occupied, a chosen prefix touches none of it, and none lower would have done."""

from __future__ import annotations

from ipaddress import IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.ipam.pools import Space
from fairlead.model.config import AddressPool
from fairlead.model.errors import Invalid
from fairlead.model.network import Subnet

BASE = IPv4Network("10.0.0.0/24")


@st.composite
def prefixes(draw: st.DrawFn) -> Subnet:
    length = draw(st.integers(22, 32))
    return IPv4Network((0x0A000000 + draw(st.integers(-512, 768)) & ~((1 << (32 - length)) - 1), length))


@given(occupied=st.lists(prefixes(), max_size=12), size=st.integers(24, 30), split=st.integers(0, 12))
def test_the_lowest_prefix_that_overlaps_nothing_is_chosen(occupied: list[Subnet], size: int, split: int) -> None:
    space = Space((AddressPool(BASE, size),), tuple(occupied[:split]), tuple(occupied[split:]))
    free = [net for net in BASE.subnets(new_prefix=size) if not any(net.overlaps(other) for other in occupied)]  # type: ignore[arg-type]
    try:
        assert space.choose(4) == free[0]
    except Invalid:
        assert not free
