"""Namespaces that a container shares with the host or with another container (`--pid`, `--ipc`, `--uts`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fairlead.engine.state import State
from fairlead.model.container import Container, ContainerSpec
from fairlead.model.errors import Failed, Invalid, NotFound


@dataclass(frozen=True, slots=True)
class Joined:
    """As in `Launch`: None is a fresh namespace, "" the host's, else a path. `shm_path`: shared memory to bind."""

    ipc: str | None = None
    pid: str | None = None
    uts: str | None = None
    shm_path: str = ""


def join(container: Container, state: State, shm_of: Callable[[str], Path]) -> Joined:
    """`shm_of` tells where a container's shareable memory lies.

    Raises Refusal when the other container is missing, does not run or does not share.
    """
    spec = container.spec
    ipc, shm = _ipc(container, state, shm_of)
    return Joined(ipc, _other(spec.pid_mode, "pid", state), "" if spec.uts_mode == "host" else None, shm)


def check_join(spec: ContainerSpec, state: State) -> None:
    """The container that a new one shares a namespace with must exist, whether it runs or not. Raises Invalid."""
    for mode in (spec.pid_mode, spec.ipc_mode):
        kind, _, reference = mode.partition(":")
        if kind != "container":
            continue
        try:
            state.container(reference)
        except NotFound as missing:
            raise Invalid(missing.message) from missing


def _ipc(container: Container, state: State, shm_of: Callable[[str], Path]) -> tuple[str | None, str]:
    mode = container.spec.ipc_mode
    if mode == "host":
        return "", "/dev/shm"
    if mode == "shareable":
        return None, str(shm_of(container.id))
    if not mode.startswith("container:"):
        return None, ""
    other = _running(mode, "IPC", state)
    if other.spec.ipc_mode == "host":
        return "", "/dev/shm"
    if other.spec.ipc_mode != "shareable":
        raise Invalid(
            f"can't join IPC of container {other.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor)"
        )
    return f"/proc/{other.state.pid}/ns/ipc", str(shm_of(other.id))


def _other(mode: str, kind: str, state: State) -> str | None:
    if mode == "host":
        return ""
    if not mode.startswith("container:"):
        return None
    return f"/proc/{_running(mode, kind.upper(), state).state.pid}/ns/{kind}"


def _running(mode: str, what: str, state: State) -> Container:
    other = state.container(mode.partition(":")[2])
    if not other.state.pid:
        raise Failed(f"failed to join {what} namespace: container {other.id} is not running")
    return other
