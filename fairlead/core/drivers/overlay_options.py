"""The options of overlay networks, read once into a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fairlead.core.drivers import options
from fairlead.core.drivers.options import PREFIX, Options
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import Invalid

ENCRYPTED = "encrypted"
VNIS = f"{PREFIX}driver.overlay.vxlanid_list"
MULTICAST = "com.fairlead.overlay.multicast"
ROUTER = "com.fairlead.overlay.router"
"""Of one attachment (`--network name=NET,driver-opt=com.fairlead.overlay.router=true`): the container passes on what
others send, and what it sends may bear any source address."""

LARGEST_VNI = (1 << 24) - 1


def _switch(key: str, text: str) -> bool:
    """Named without a value (`--opt encrypted`) it is on."""
    return options.boolean(key, text) if text else True


def _vnis(key: str, text: str) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isdigit() and 0 < int(word) <= LARGEST_VNI for word in words):
        raise Invalid(f'invalid value for {key}: "{text}" (numbers from 1 to {LARGEST_VNI} with commas between)')
    return tuple(map(int, words))


def _mtu(key: str, text: str) -> int:
    return options.mtu(key, text) if text and text != "0" else 0


KNOWN: Mapping[str, options.Parser] = {
    **options.COMMON,
    ENCRYPTED: _switch,
    VNIS: _vnis,
    MULTICAST: _switch,
}


@dataclass(frozen=True, slots=True)
class OverlayOptions:
    """`mtu` 0 is the largest that the underlay carries. `vnis`: one per pool, in their order."""

    mtu: int
    encrypted: bool
    multicast: bool
    vnis: tuple[int, ...]


def read(given: Mapping[str, str]) -> OverlayOptions:
    """The options with their defaults; raises Invalid for a bad value."""
    return OverlayOptions(
        mtu=_mtu(options.MTU, given.get(options.MTU, "")),
        encrypted=_switch(ENCRYPTED, given.get(ENCRYPTED, "false")),
        multicast=_switch(MULTICAST, given.get(MULTICAST, "false")),
        vnis=_vnis(VNIS, given.get(VNIS, "")),
    )


def is_router(endpoint: Endpoint) -> bool:
    """Raises Invalid for a bad value."""
    return _switch(ROUTER, endpoint.spec.driver_opts.get(ROUTER, "false"))


def check(given: Mapping[str, str]) -> tuple[str, ...]:
    """Warnings; raises Invalid for a bad value."""
    return Options(given, KNOWN).check()
