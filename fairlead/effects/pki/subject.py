"""What a certificate says of its node: CN is the node's id, OU its role, O the swarm's id.

The alternative names repeat id and role, so that TLS itself checks whom it reached: a caller that asks for the host
"swarm-manager" is connected to a manager or to nobody.
"""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.model.errors import NotAllowed
from fairlead.model.swarm.identity import Peer
from fairlead.model.swarm.node import MANAGER, WORKER

UNITS: Mapping[str, str] = {MANAGER: "swarm-manager", WORKER: "swarm-worker"}
"""Role -> organisational unit, which is also the name that TLS asks for."""

CONSENSUS = "swarm-consensus"
AUTHORITY = "swarm-ca"


def consensus_host(cluster_id: str) -> str:
    """The alternative name of the certificates of consensus members: what etcd's `--peer-cert-allowed-hostname`
    takes."""
    return f"{CONSENSUS}.{cluster_id}"


def peer_of(common_name: str, unit: str, organisation: str) -> Peer:
    """Raises NotAllowed for a subject that is no node's."""
    role = next((role for role, known in UNITS.items() if known == unit), "")
    if not (role and common_name and organisation):
        raise NotAllowed(f"the certificate of CN={common_name} OU={unit} O={organisation} is not that of a node")
    return Peer(common_name, role, organisation)
