"""The host's network and no network, and the registry."""

from __future__ import annotations

import pytest

from fairlead.core.drivers.registry import DRIVERS, driver
from fairlead.model.errors import NotAllowed, NotFound
from tests.core.drivers.builders import around, endpoint, network, site


def test_nothing_in_the_kernel_is_needed() -> None:
    for kind in ("host", "null"):
        net = network(kind, subnet="")
        assert not driver(kind).create(net, around())
        assert not driver(kind).attach(net, endpoint(on=net), site())
        assert not driver(kind).detach(net, endpoint(on=net), site())


@pytest.mark.parametrize("kind", ["host", "null"])
def test_there_is_one_of_them(kind: str) -> None:
    with pytest.raises(NotAllowed) as refused:
        driver(kind).validate(network(kind, "cd", ""), around(others=(network(kind, "ab", ""),)))
    assert refused.value.message == f'only one instance of "{kind}" network is allowed'


def test_drivers_are_known_by_name_and_bridge_is_the_default() -> None:
    assert sorted(DRIVERS) == ["bridge", "host", "ipvlan", "macvlan", "null", "overlay"]
    assert driver("").name == "bridge"
    with pytest.raises(NotFound, match='plugin "foo" not found'):
        driver("foo")
