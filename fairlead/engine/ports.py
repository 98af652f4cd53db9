"""What the engine needs from the world, as Protocols. `fairlead.effects` fulfils them; `daemon.py` joins the two.

Every method that may block is a coroutine. Errors are those of `fairlead.model.errors`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from fairlead.core.dns.answer import SandboxResolver
from fairlead.model.change import Change
from fairlead.model.dns import DnsPorts
from fairlead.model.host import HostFacts
from fairlead.model.lease import Lease, LeaseRequest
from fairlead.model.network import Address
from fairlead.model.observed import Drift, ObservedLink, Traffic
from fairlead.model.plan import AddAssociation, AddFdb, AddNeighbour, AddPolicy, Operation, Plan, PortBlock
from fairlead.model.ruleset import Element
from fairlead.model.scene import Scene
from fairlead.model.system import HostDescription
from fairlead.model.volume import Volume


class Clock(Protocol):
    def now(self) -> int:
        """Wall clock, ns since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds, for deadlines."""
        ...


class Entropy(Protocol):
    def local_id(self) -> str:
        """64 hex digits."""
        ...

    def swarm_id(self) -> str:
        """25 characters of [0-9a-z]."""
        ...

    def number(self, below: int) -> int: ...


class Writing(Protocol):
    """Changes that are about to be written."""

    durable: Awaitable[None]
    """Comes when they are kept over a power cut; may be left alone where a later commit is waited for."""

    def now(self) -> None:
        """They are kept over `kill -9` when it returns. Blocks: for the thread that changes the kernel next. Raises
        Failed."""
        ...


class Store(Protocol):
    """Durable documents by kind and id. What is asked for is written in that order, each call all or nothing; calls
    that wait at the same time are written together."""

    def load(self) -> Mapping[str, Mapping[str, bytes]]: ...

    async def commit(self, changes: Sequence[Change]) -> None:
        """On the disk when it returns, and so over a power cut: what may be acknowledged."""
        ...

    async def write(self, changes: Sequence[Change]) -> Awaitable[None]:
        """Kept over `kill -9` when it returns: what must be known before the kernel changes, which has forgotten
        everything after a power cut. What it returns has come when it is kept over that too; it may be left alone where
        a later commit is waited for."""
        ...

    def begin(self, changes: Sequence[Change]) -> Writing:
        """The same for changes that a plan's `first` writes, which saves a way to another thread and back."""
        ...

    def post(self, changes: Sequence[Change]) -> None:
        """Write them soon, before every commit that is asked for later. For what a crash may take back."""
        ...

    def close(self) -> None: ...


class Kernel(Protocol):
    """The hands on links, addresses, routes, rules and namespaces. One worker does all, in order."""

    async def apply(self, plan: Plan, first: Callable[[], None] | None = None) -> None:
        """Do the plan; on failure undo what was changed, then raise `KernelRefused`. `first` is called before it, in
        the same thread; what it raises leaves the kernel alone."""
        ...

    async def attempt(self, plan: Plan, first: Callable[[], None] | None = None) -> list[Exception]:
        """Do as much of the plan as possible, in order, and return what failed (teardown)."""
        ...

    async def flush_deletions(self) -> None:
        """Returns when every link whose deletion was deferred until now is gone."""
        ...

    async def facts(self) -> HostFacts: ...

    async def links(self, ns: str = "") -> Sequence[ObservedLink]: ...

    async def elements(self, family: str, table: str, set_name: str) -> Sequence[Element] | None:
        """The elements of a set or map; None when the table or set is not there."""
        ...

    async def stations(self, ns: str) -> Sequence[AddFdb | AddNeighbour]:
        """What the VXLAN devices of a namespace forward to, and the permanent neighbours behind them."""
        ...

    async def associations(self, request_id: int) -> Sequence[tuple[AddAssociation, Traffic]]:
        """ESP associations of a request id, without their keys, and what each has carried."""
        ...

    async def policies(self, sources: PortBlock) -> Sequence[AddPolicy]:
        """The policies for outgoing packets from these ports."""
        ...

    async def missing(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """Those whose effect is not there now (links, addresses, routes, sysctls, elements)."""
        ...

    def attend(self, ns: str) -> None:
        """Report the loss of our links and entries inside a namespace too, once `watch` has been called."""
        ...

    def guard(self, ns: str, table: str) -> None:
        """Report the loss of tables inside a namespace too, whose names begin so, once `watch` has been called."""
        ...

    def neglect(self, ns: str) -> None:
        """Not any more."""
        ...

    def watch(self, on_drift: Callable[[Drift], None]) -> None:
        """Report changes of links and tables made by others, from now on."""
        ...


class Sights(Protocol):
    """Looks into namespaces, and packets of a trial. Nothing is changed; nobody's work waits for it."""

    async def scene(self, ns: str, known: Sequence[str]) -> Scene:
        """A whole namespace ("" for the host's own) as the kernel has it; the other ends of its veths are looked for in
        the `known` ones. Raises KernelRefused when it is gone."""
        ...

    async def ask(self, ns: str, server: Address, name: str) -> tuple[Address, ...] | None:
        """The addresses of a name that a DNS server tells who asks from `ns`; None when it does not answer."""
        ...

    async def probe(self, ns: str, destination: Address, protocol: str, port: int) -> str:
        """Send one packet; what came of it, in the words of `fairlead.model.trace`."""
        ...


class Namespaces(Protocol):
    """Network namespaces for sandboxes, made ahead and kept as files in `<exec-root>/netns`."""

    def fill(self) -> None:
        """Begin to make some ahead, which keeps the kernel's one lock busy: not before the daemon answers."""
        ...

    async def take(self, sandbox_id: str, ipv6: bool, ruled: bool = False) -> str:
        """A fresh namespace (lo up; IPv6 off unless asked for; `ruled`: with the rules of `resolvers.rules_ahead`);
        returns its path, named after the sandbox."""
        ...

    async def release(self, path: str) -> None:
        """Forget it; missing is fine. Its links die with it."""
        ...

    async def existing(self) -> Sequence[str]:
        """Paths of all sandbox namespaces that are there, taken ones only."""
        ...


PortHold = tuple[str, int, str]
"""(host address, port, protocol)"""


class LeaseClients(Protocol):
    """Leases of addresses from a server on the physical network, each kept under a key until it is released."""

    def watch(self, on_change: Callable[[str, Lease | None], None]) -> None:
        """Report each lease that is renewed, changed or lost (None) after it was granted."""
        ...

    async def acquire(self, key: str, request: LeaseRequest, seconds: float) -> Lease:
        """Raises Failed when nobody granted one in time."""
        ...

    def resume(self, key: str, request: LeaseRequest, lease: Lease | None) -> None:
        """Keep a lease of an earlier process; without one, ask until there is one."""
        ...

    async def release(self, key: str, request: LeaseRequest, lease: Lease | None) -> None:
        """Give it back; one that is not kept here is given back too."""
        ...


class Ports(Protocol):
    """Holds host ports so that no other process takes them, and finds out whether one has."""

    async def hold(self, wanted: Sequence[PortHold]) -> None:
        """Hold all or none; raises Failed "failed to bind host port for ...: address already in use"."""
        ...

    async def release(self, held: Sequence[PortHold]) -> None:
        """Let them go, with what they carry; what is not held is passed over."""
        ...

    async def splice(self, held: PortHold, target: Address, port: int, loopback_only: bool = False) -> None:
        """From now on carry what reaches a held port to `target` in user space: for an IPv6 address of the host whose
        container has none, and with `loopback_only` for ::1, where the kernel cannot translate."""
        ...


class NameServer(Protocol):
    """The sockets on 127.0.0.11 in sandboxes. `again`: the ports that a sandbox had before the daemon was restarted."""

    def open(
        self, sandbox_id: str, ns_path: str, resolver: SandboxResolver, again: DnsPorts | None = None
    ) -> DnsPorts: ...

    def close(self, sandbox_id: str) -> None: ...

    def counters(self) -> Mapping[str, int]: ...


class EtcFiles(Protocol):
    """The host's files of `/etc`, and those that containers get (`hosts`, `hostname`, `resolv.conf`)."""

    def of_host(self, path: str) -> str:
        """The text; "" when there is no such file."""
        ...

    def path(self, container_id: str, name: str) -> str: ...

    def read(self, container_id: str, name: str) -> str:
        """The text as it is now; "" when it was never written."""
        ...

    def write(self, container_id: str, name: str, text: str) -> str:
        """Write it in place; returns its path."""
        ...


class VolumePart(Protocol):
    """A file or directory inside a volume. `path` leads there, whatever becomes of its name, until it is closed."""

    @property
    def path(self) -> Path: ...

    def close(self) -> None: ...


class VolumeFiles(Protocol):
    """Where volumes keep their data."""

    def mountpoint(self, name: str) -> Path: ...

    def make(self, name: str) -> None:
        """The directory of a volume; one that is there stays as it is."""
        ...

    def discard(self, name: str) -> None: ...

    async def mount(self, volume: Volume) -> None:
        """Mount what its options describe; mounted already is fine. Raises `Failed`."""
        ...

    def unmount(self, name: str) -> None: ...

    def part(self, name: str, subpath: str) -> VolumePart:
        """A file or directory of the volume, held until it is closed. Raises `Failed` when it is none of its own."""
        ...

    async def populate(self, target: Path, root: Path, directory: str) -> None:
        """Copy what `root` has at `directory` into an empty directory. Links lead nowhere outside `root`."""
        ...

    async def size(self, name: str) -> int: ...


class Host(Protocol):
    """What can be told about the host and this process."""

    @property
    def description(self) -> HostDescription: ...

    def open_files(self) -> int:
        """Of the daemon."""
        ...

    def source_towards(self, address: str) -> str:
        """The local address from which packets to `address` leave, "" when there is no way."""
        ...

    def forwards_ipv4(self) -> bool: ...
