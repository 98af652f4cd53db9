"""What the engine needs from the world to be part of a swarm, as Protocols. `fairlead.effects` fulfils them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from fairlead.model.swarm.calls import Answerer as Answerer
from fairlead.model.swarm.calls import Call as Call
from fairlead.model.swarm.calls import Reply as Reply
from fairlead.model.swarm.consensus import ConsensusFiles, ConsensusMember, ConsensusStart
from fairlead.model.swarm.identity import Identity, Peer, Root
from fairlead.model.swarm.store import ClusterStore, Entry, Fence, Leadership, Write

# --- identity -------------------------------------------------------------------------------------


class Authority(Protocol):
    """The swarm's certificate authority and the making of keys. Texts are PEM. Errors: `Invalid` for what is no
    certificate or request, with what is wrong with it."""

    def root(self, now: int) -> Root:
        """A new self-signed root with its private key."""
        ...

    def examine(self, root: Root, now: int) -> None:
        """Can certificates be issued with this root, which a user gave? Raises Invalid with what is wrong."""
        ...

    def request(self, hosts: Sequence[str] = ()) -> tuple[str, str]:
        """A new private key and a certificate request for it: (key, csr). `hosts` are the IP addresses at which a
        consensus member is reached (etcd looks for them in its certificate); a node's request needs none."""
        ...

    def issue(self, root: Root, csr: str, peer: Peer, now: int, expiry: int) -> str:
        """A node's certificate: CN = node id, OU = role ("swarm-manager", "swarm-worker"), O = cluster id. `expiry` is
        its life in ns, an hour at least; it begins a little in the past, for clocks that differ. `root.cross` is put
        behind it."""
        ...

    def issue_consensus(self, root: Root, csr: str, peer: Peer, now: int, expiry: int) -> str:
        """The certificate with which a manager's consensus member meets the others: its names are
        "swarm-consensus.<cluster id>" and the request's hosts. No node certificate passes for one, nor it for a
        node's."""
        ...

    def cross_sign(self, old: Root, new: Root, now: int) -> str:
        """The new root's certificate signed by the old one, for nodes that know only that."""
        ...

    def marks(self, certificate: str) -> tuple[bytes, bytes]:
        """Subject and public key, DER, by which an issuer is told apart."""
        ...

    def lifetime(self, certificate: str) -> tuple[int, int]:
        """Not before and not after, ns since the epoch."""
        ...

    def verify(self, certificate: str, trusted: str, now: int = 0) -> Peer:
        """Who the certificate speaks of, if one of the roots in `trusted` signed it. `now` 0 does not ask whether it
        is valid at the time. Raises NotAllowed."""
        ...


class Keystore(Protocol):
    """Where a node keeps what it is: certificate, key and trust, under `<data-root>/swarm`. The key is sealed with the
    unlock key where the swarm is autolocked. Written atomically and synced."""

    def load(self, unlock_key: str = "") -> Identity | None:
        """None when this node is in no swarm. Raises `Locked` when the key is sealed and `unlock_key` is not (one of)
        the right one(s)."""
        ...

    def save(self, identity: Identity, unlock_key: str = "") -> None: ...

    def locked(self) -> bool:
        """Is the key on disk sealed?"""
        ...

    def clear(self) -> None:
        """Forget everything: the node has left."""
        ...


# --- calls between nodes --------------------------------------------------------------------------


class Listener(Protocol):
    """A manager's ear for nodes: HTTP/1.1 over TLS 1.3; strangers may connect, `Call.peer` tells them apart. Expired
    certificates and those of unknown roots are refused in the handshake, with a log line. It is made with the table of
    who may call what (`core.swarm.identity.may_call`): the answerer hears only calls that are open to their peer."""

    async def open(self, address: str, identity: Identity, answer: Answerer) -> None:
        """`address` HOST:PORT. Raises Failed when it is taken."""
        ...

    def renew(self, identity: Identity) -> None:
        """Use another certificate or trust from the next connection on."""
        ...

    async def close(self) -> None: ...


class Caller(Protocol):
    """A node's mouth towards managers. Connections are kept. Errors: `Unavailable` when nobody answers in time or the
    other end is not a manager of our swarm; refusals of the other end as themselves."""

    def renew(self, identity: Identity | None) -> None:
        """From now on speak as this node; None: as a stranger."""
        ...

    async def call(self, address: str, name: str, body: bytes = b"", *, patience: float = 5.0) -> bytes:
        """One call to a manager, which must show a manager's certificate."""
        ...

    def stream(self, address: str, name: str, body: bytes = b"") -> AsyncGenerator[bytes, None]:
        """The lines of a streamed answer. Closing it (`contextlib.aclosing`) ends it at the other end too."""
        ...

    async def root(self, address: str, digest: str) -> str:
        """As a stranger: the trust of the swarm at `address`, whose digest must be `digest`, else raises NotAllowed.
        The TLS end must prove to be signed by it."""
        ...

    async def join(self, address: str, trust: str, body: bytes) -> bytes:
        """As a stranger: `join` at a manager whose certificate is signed by `trust`."""
        ...

    async def close(self) -> None: ...


# --- the store of the managers --------------------------------------------------------------------


class Consensus(Protocol):
    """This manager's own member (an etcd process that it starts, watches over, restarts and stops)."""

    async def start(self, how: ConsensusStart) -> ClusterStore:
        """Returns when the member answers (for a joiner: as a learner, or when it was promoted). Raises Failed with the
        last lines of its log."""
        ...

    async def renew(self, files: ConsensusFiles) -> None: ...

    async def stop(self, *, forget: bool = False) -> None:
        """`forget` removes its data too."""
        ...

    @property
    def removed(self) -> bool:
        """The others have put this member out; it does not run any more."""
        ...

    async def members(self) -> Sequence[ConsensusMember]: ...

    async def add(self, peer_url: str, name: str) -> str:
        """Add a learner; answers the "name=url,..." that it must start with. Idempotent for the same url."""
        ...

    async def promote(self, member_id: str) -> bool:
        """Make a learner a voter; False while it lags too far behind."""
        ...

    async def hand_over(self) -> None:
        """Lead the consensus no more, if others could: whoever is to go does so first. Raises Unavailable when none of
        them can lead now."""
        ...

    async def remove(self, member_id: str) -> None:
        """Idempotent; who removes itself hands over first. Raises Conflict when the others would be no majority."""
        ...

    async def make_room(self) -> None:
        """To be called now and then: if the store was shut because it is full of history, that goes, and it opens
        again. Raises Unavailable when this member does not answer."""
        ...

    async def snapshot(self, path: str) -> None:
        """Write a consistent copy that `restore` takes."""
        ...

    async def restore(self, path: str, how: ConsensusStart) -> ClusterStore: ...


__all__ = [
    "Answerer",
    "Authority",
    "Call",
    "Caller",
    "ClusterStore",
    "Consensus",
    "ConsensusFiles",
    "ConsensusMember",
    "ConsensusStart",
    "Entry",
    "Fence",
    "Keystore",
    "Leadership",
    "Listener",
    "Reply",
    "Write",
]
