"""Driver options of one attachment: its interface's name, and sysctls for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from fairlead.core.drivers import options
from fairlead.core.drivers.options import PREFIX
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import Invalid
from fairlead.model.plan import Operation, SetSysctl

IFNAME = f"{PREFIX}endpoint.ifname"
SYSCTLS = f"{PREFIX}endpoint.sysctls"
_SYSCTL = re.compile(r"net\.(ipv4|ipv6|mpls)\.([a-z0-9_]+)\.IFNAME\.([a-z0-9_]+)=(.*)")


def wanted_ifname(driver_opts: Mapping[str, str]) -> str:
    """The interface name asked for, or ""; raises a Refusal for one that Linux would not take."""
    text = driver_opts.get(IFNAME, "")
    if text == "lo":
        raise Invalid(f'invalid value for {IFNAME}: "lo" (the loopback interface has that name)')
    return options.link_name(IFNAME, text) if text else ""


def check(driver_opts: Mapping[str, str]) -> None:
    """Raise a Refusal for a bad value."""
    wanted_ifname(driver_opts)
    list(_sysctls(driver_opts))


def sysctl_operations(endpoint: Endpoint, ns: str) -> Iterator[Operation]:
    """The endpoint's own sysctls, to be written before its interface goes up."""
    for protocol, subject, name, value in _sysctls(endpoint.spec.driver_opts):
        yield SetSysctl(f"net/{protocol}/{subject}/{endpoint.ifname}/{name}", value, ns)


def _sysctls(driver_opts: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """`net.ipv4.conf.IFNAME.log_martians=1,...` as (protocol, subject, name, value)."""
    for setting in filter(None, driver_opts.get(SYSCTLS, "").split(",")):
        found = _SYSCTL.fullmatch(setting.strip())
        if found is None:
            raise Invalid(
                f'invalid value for {SYSCTLS}: "{setting}" (a setting looks like net.ipv4.conf.IFNAME.log_martians=1)'
            )
        yield found.groups()
