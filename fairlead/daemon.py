"""The daemon: the one place that knows every room, joins them, and starts and stops them in order.

Boot, in this order, so that nobody sees a half-true world: the state is read, the host's kernel brought in line with
it, the default networks made, links of no more use waited for until they are gone, then the API answers, and behind it
sandboxes are looked into. Containers run on whatever happens to the daemon: stopping it closes the API, finishes what
was begun, and leaves them alone.
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from hashlib import sha256
from pathlib import Path

from fairlead import logs
from fairlead.api.http import Route
from fairlead.api.routes import (
    archive,
    container_streams,
    containers,
    disk_usage,
    images,
    networks,
    system,
    volumes,
)
from fairlead.api.routes import exec as execs
from fairlead.api.server import Server
from fairlead.core.containers.options import log_limits
from fairlead.core.dhcp import client as dhcp
from fairlead.core.dns.forward import Forwarder
from fairlead.effects.clock import SystemClock, SystemEntropy
from fairlead.effects.etc_files import EtcFiles
from fairlead.effects.host import LinuxHost
from fairlead.effects.kernel.linux import LinuxKernel
from fairlead.effects.kernel.pool import NamespacePool
from fairlead.effects.kernel.ports import HostPorts
from fairlead.effects.oci.archives import Archives
from fairlead.effects.oci.blobs import Blobs
from fairlead.effects.oci.doomed import Doomed
from fairlead.effects.oci.files import ContainerFileSystem
from fairlead.effects.oci.layers import Layers
from fairlead.effects.oci.logs import LogFiles
from fairlead.effects.oci.private_files import PrivateFiles
from fairlead.effects.oci.registry import Registry
from fairlead.effects.oci.rootfs import Rootfs
from fairlead.effects.oci.runtime import OciRuntime
from fairlead.effects.oci.volumes import VolumeFiles
from fairlead.effects.store.sqlite import SqliteStore
from fairlead.effects.wire.dhcp import DhcpClients
from fairlead.effects.wire.dns import DnsServer
from fairlead.engine.containers.containers import Containers
from fairlead.engine.containers.context import Hands as ContainerHands
from fairlead.engine.containers.context import Parts as ContainerParts
from fairlead.engine.engine import Engine
from fairlead.engine.fabric.resolvers import rules_ahead
from fairlead.engine.images.images import Images
from fairlead.engine.images.ports import ImageHands
from fairlead.engine.images.rootfs import RootFilesystems
from fairlead.engine.network_scopes import NetworkScopes
from fairlead.engine.networks.default import DefaultNetworks
from fairlead.engine.reconcile import Reconcile
from fairlead.engine.swarm.swarm import Swarm
from fairlead.engine.system import System
from fairlead.engine.volumes import Volumes
from fairlead.engine.world import World
from fairlead.model.config import DaemonConfig
from fairlead.model.errors import Failed, Refusal
from fairlead.model.network import SWARM

OPEN_FILES = 1 << 20
"""Each container takes a few descriptors (resolver, pidfd), each published port up to two."""

ROOMY = 4096
"""Open files that there is room for from the beginning."""

SWITCH_SECONDS = 0.0005
"""How long the event loop waits at most for a thread that decodes netlink before the interpreter makes it give way; the
default of 5 ms is longer than most verbs take."""

SWARM_PATHS = ("swarm", "nodes", "services", "tasks", "secrets", "configs")
"""Where the API's paths begin that only swarms have."""

OWN_PATHS = "fairlead"
"""Where the paths begin that Docker's API does not have."""

STOP_SECONDS = 9.0
"""How long a stop may take before what is left of it is abandoned: service managers kill after ten."""

Documents = Mapping[str, Mapping[str, bytes]]

_log = logging.getLogger("fairlead.daemon")


def owner_tag(exec_root: Path) -> str:
    """What marks this daemon's links: daemons of one machine differ in their exec-root."""
    return f"fairlead-{sha256(str(exec_root).encode()).hexdigest()[:8]}"


async def serve(config: DaemonConfig) -> None:
    """Run until SIGTERM or SIGINT. Raises `Refusal` when the daemon cannot start."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as running:
        await _start(config, running)
        gc.freeze()
        gc.enable()
        await stopping.wait()
        _log.info("stopping; containers run on")
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await running.aclose()
    _log.info("stopped")


async def _start(config: DaemonConfig, running: AsyncExitStack) -> None:
    """Bring everything up; what has to be closed is left in `running`, last opened first."""
    engine = await open_engine(config, running)
    running.push_async_callback(_leave_swarm_alone, engine)
    if engine.swarm.formed:
        await engine.swarm.membership.boot()
    server = await _listen(engine, running)
    engine.fabric.namespaces.fill()
    _log.info("ready", extra={"hosts": ",".join(map(str, server.addresses)), "since": _age()})
    await engine.reconcile.look_inside()


async def open_engine(config: DaemonConfig, running: AsyncExitStack) -> Engine:
    """The engine of one host with all its hands, in line with the kernel; nobody can reach it yet."""
    config.exec_root.mkdir(parents=True, exist_ok=True, mode=0o711)
    config.data_root.mkdir(parents=True, exist_ok=True, mode=0o710)
    running.callback(_release_pidfile, _take_pidfile(config.pidfile))
    world = await _world(config, running)
    engine = Engine(config, world)
    documents = world.store.load()
    engine.state.load(documents)
    engine.overlays.load_state(documents)
    running.push_async_callback(engine.overlays.close)
    _provide_swarm(engine, documents)
    running.push_async_callback(_close_discovery, engine)
    await _furnish(engine, documents, running)
    await _settle(engine, documents, running)
    return engine


async def _world(config: DaemonConfig, running: AsyncExitStack) -> World:
    store = SqliteStore(config.data_root / "state.db")
    running.callback(store.close)
    kernel = LinuxKernel(owner_tag(config.exec_root))
    namespaces = NamespacePool(config.netns_dir, rules=rules_ahead)
    ports = HostPorts()
    for part in (kernel, namespaces, ports):
        await part.start()
        running.push_async_callback(part.close)
    entropy = SystemEntropy()
    leases = DhcpClients(lambda request, now, lease: dhcp.Client(request, entropy.number, now, lease))
    running.callback(leases.close)
    return World(
        clock=SystemClock(),
        entropy=entropy,
        store=store,
        kernel=kernel,
        namespaces=namespaces,
        ports=ports,
        etc=EtcFiles(config.data_root / "containers"),
        name_server=DnsServer(Forwarder(entropy.number)),
        leases=leases,
    )


async def _furnish(engine: Engine, documents: Documents, running: AsyncExitStack) -> None:
    """Give the engine the parts that have hands of their own: images, volumes, containers."""
    root = engine.config.data_root
    doomed, blobs = Doomed(root), Blobs(root)
    layers, roots = Layers(root, blobs, doomed), Rootfs(root, doomed)
    running.callback(layers.close)
    running.callback(roots.close)
    registry = Registry(root, engine.config.registries)
    engine.images = Images(engine.memory, ImageHands(blobs, layers, roots, Archives(), registry))
    engine.images.load_state(documents)
    engine.rootfs = RootFilesystems(engine.images, roots)
    await engine.rootfs.keep_only(engine.state.containers)
    engine.volumes = Volumes(engine.memory, VolumeFiles(root, doomed))
    engine.volumes.load_state(documents)
    engine.system = System(engine.memory, engine.images, LinuxHost(root, engine.config.hostname))
    runtime = OciRuntime(engine.config.exec_root)
    logs = LogFiles(root / "containers", lambda container: log_limits(container.spec), runtime.reopen_log)
    hands = ContainerHands(runtime, logs, ContainerFileSystem(), PrivateFiles(engine.config.exec_root / "private"))
    parts = ContainerParts(engine.sandboxes, engine.images, engine.rootfs, engine.volumes, engine.system)
    engine.containers = Containers(engine.memory, parts, hands)
    running.callback(engine.containers.close)


def _provide_swarm(engine: Engine, documents: Documents) -> None:
    """Form the swarm's parts now where this node is in a swarm or something of one is left, else when they are asked
    for."""

    def form() -> None:
        from fairlead import daemon_swarm

        daemon_swarm.form(engine, documents)

    engine.swarm = Swarm(form)
    engine.network_scopes = NetworkScopes(engine.networks, engine.swarm, engine.clock)
    known = any(network.scope == SWARM for network in engine.state.networks.values())
    if known or (engine.config.data_root / "swarm").exists():
        form()


async def _leave_swarm_alone(engine: Engine) -> None:
    """Stop what this node does in its swarm, of which it stays a member."""
    if engine.swarm.formed:
        await engine.swarm.membership.close()


async def _close_discovery(engine: Engine) -> None:
    if engine.swarm.formed:
        await engine.discovery.close()


async def _settle(engine: Engine, documents: Documents, running: AsyncExitStack) -> None:
    """Bring kernel and state together."""
    reconcile = engine.reconcile = Reconcile(engine.fabric, engine.sandboxes)
    running.push_async_callback(reconcile.close)
    await reconcile.prepare(documents)
    engine.fabric.balancing.check()
    await DefaultNetworks(engine.fabric, engine.networks).ensure()
    await reconcile.complete()
    await engine.overlays.resume()
    await engine.containers.adopt()
    await engine.fabric.kernel.flush_deletions()


def _routes(engine: Engine) -> list[Route]:
    rooms = (archive, container_streams, containers, disk_usage, execs, images, networks, system, volumes)
    return [route for room in rooms for route in room.routes(engine)]


async def _listen(engine: Engine, running: AsyncExitStack) -> Server:
    def swarm_routes() -> Iterable[Route]:
        from fairlead import daemon_swarm

        return daemon_swarm.routes(engine)

    def own_routes() -> Iterable[Route]:
        from fairlead.api.routes import trace
        from fairlead.effects.wire.sights import LinuxSights

        return trace.routes(engine, LinuxSights())

    config = engine.config
    server = Server(_routes(engine), {**dict.fromkeys(SWARM_PATHS, swarm_routes), OWN_PATHS: own_routes})
    running.push_async_callback(server.close)
    await server.listen(config.hosts, config.tls)
    return server


def _take_pidfile(path: Path | None) -> Path | None:
    """Write our process id. Raises Failed when the file names another process that lives."""
    if path is None:
        return None
    with suppress(FileNotFoundError, ValueError):
        other = int(path.read_text())
        if other != os.getpid() and _is_daemon(other):
            raise Failed(f"process with PID {other} is still running: {path} says that a daemon runs already")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(os.getpid()))
    return path


def _is_daemon(pid: int) -> bool:
    """Whether this process lives and may be one of us: after a reboot its number may be anybody's, and a zombie, which
    has no command line, waits only to be collected."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"daemon" in words and any(b"fairlead" in word for word in words)


def _release_pidfile(path: Path | None) -> None:
    if path is not None:
        path.unlink(missing_ok=True)


def _raise_limit() -> None:
    """Allow many open files; containers without limits of their own inherit it, as from dockerd's service."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, max(OPEN_FILES, hard)))
    except (OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _make_room() -> None:
    """The table of our open files grows by doubling, and once there are threads the kernel waits each time, some 10 ms,
    until none of them reads the old one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    descriptor = os.open(os.devnull, os.O_RDONLY)
    os.close(fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, min(ROOMY, soft) - 1))
    os.close(descriptor)


def _age() -> str:
    """How long this process has lived, in seconds."""
    started = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return f"{time.clock_gettime(time.CLOCK_BOOTTIME) - started:.2f}"


def run(config: DaemonConfig) -> int:
    """The process: its exit status."""
    logs.start(config.log_level)
    _raise_limit()
    _make_room()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        asyncio.run(serve(config))
    except Refusal as refusal:
        _log.critical(refusal.message)
        return 1
    return 0
