"""A swarm of a lab's hosts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fairlead.lab.machine import Machine

LISTEN = "0.0.0.0:2377"


def form(first: Machine, others: Sequence[Machine], progress: Callable[[str], None]) -> None:
    """`first` makes a swarm, the others join it in the roles that the topology gives them, managers first. Raises
    Failed with what a daemon said."""
    first.call("POST", "/swarm/init", {"ListenAddr": LISTEN, "AdvertiseAddr": first.address})
    progress(f"{first.name} made a swarm")
    swarm = first.call("GET", "/swarm")
    assert isinstance(swarm, dict)
    tokens = {role.lower(): token for role, token in swarm["JoinTokens"].items()}
    for machine in sorted(others, key=lambda machine: machine.host.role != "manager"):
        join = {"ListenAddr": LISTEN, "AdvertiseAddr": machine.address, "RemoteAddrs": [first.address]}
        machine.call("POST", "/swarm/join", join | {"JoinToken": tokens[machine.host.role]})
        progress(f"{machine.name} joined as a {machine.host.role}")
