"""A copy of the whole store in a file, and a member made from one.

etcd streams its database with a digest at the end, which `etcdctl snapshot restore` (package etcd-client) checks before
it makes a member's data of it: a cluster of one, with the content and nobody of the old membership.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from pathlib import Path

from fairlead.effects.etcd.flags import environment
from fairlead.effects.etcd.gateway import Gateway, Interrupted, Refused, Unreachable, bytes64
from fairlead.effects.oci import process
from fairlead.model.errors import Failed
from fairlead.model.swarm.consensus import ConsensusStart


async def save(gateway: Gateway, path: Path) -> None:
    """Write the store to `path`; the file appears when it is whole."""
    draft = path.with_name(f"{path.name}.part")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            async with aclosing(gateway.stream("maintenance/snapshot", {})) as parts:
                async for part in parts:
                    await asyncio.to_thread(file.write, bytes64(part.get("blob", "")))
            await asyncio.to_thread(os.fsync, file.fileno())
        draft.rename(path)
    except (Refused, Interrupted, Unreachable, OSError) as error:
        draft.unlink(missing_ok=True)
        raise Failed(f"the snapshot {path} could not be written: {error}") from None


async def restore(path: Path, data: Path, how: ConsensusStart) -> None:
    """Make the data of a new member, alone in its cluster, from the snapshot at `path`. `data` must not exist."""
    flags = {
        "data-dir": str(data),
        "name": how.name,
        "initial-cluster": f"{how.name}={how.peer_url}",
        "initial-cluster-token": how.token or "fairlead",
        "initial-advertise-peer-urls": how.peer_url,
    }
    argv = ("etcdctl", "snapshot", "restore", str(path), *(f"--{name}={value}" for name, value in flags.items()))
    done = await process.run(argv, environment(os.environ) | {"ETCDCTL_API": "3"})
    if done.status:
        raise Failed(f"{path} cannot be restored: {done.stderr.decode(errors='replace').strip()}")
    data.chmod(0o700)
