"""Room in the kernel's neighbour tables.

One table per family serves all namespaces of a machine. It ends at 1,024 entries unless told otherwise, and every
container takes two for its gateway alone: beyond some 500 containers, packets vanish without a word. The limits are
parameters of the machine's first namespace only; a daemon elsewhere has to live with what is set there.
"""

from __future__ import annotations

import logging

from fairlead.effects.kernel.sysctl import read_sysctl, write_sysctl
from fairlead.model.errors import KernelRefused
from fairlead.model.plan import HOST

LEAST = {"gc_thresh1": 16384, "gc_thresh2": 32768, "gc_thresh3": 65536}
"""Below the first nothing is collected, the third is the end (arp(7)). An entry takes about half a kilobyte."""

_log = logging.getLogger(__name__)


def make_room() -> None:
    """Raise what is lower; what an administrator has set higher stays."""
    for version in ("ipv4", "ipv6"):
        for name, least in sorted(LEAST.items(), reverse=True):
            path = f"net/{version}/neigh/default/{name}"
            now = read_sysctl(path, HOST)
            if now is None or int(now) >= least:
                continue
            try:
                write_sysctl(path, str(least), HOST)
            except KernelRefused as refused:
                _log.warning("more than some 500 containers may not reach each other: %s", refused.message)
                return
