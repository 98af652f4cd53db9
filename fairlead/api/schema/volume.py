"""Volumes as Docker's JSON."""

from __future__ import annotations

import msgspec

from fairlead.api.schema.timestamp import SECOND, rfc3339
from fairlead.model.errors import Unsupported
from fairlead.model.volume import Volume


class VolumeCreate(msgspec.Struct, rename="pascal"):
    """The body of `POST /volumes/create`."""

    name: str | None = None
    driver: str | None = None
    driver_opts: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    cluster_volume_spec: dict[str, object] | None = None

    def refuse_unsupported(self) -> None:
        if self.cluster_volume_spec:
            raise Unsupported("cluster volumes are not supported: create a local one without ClusterVolumeSpec")


def volume_json(volume: Volume) -> dict[str, object]:
    return {
        "CreatedAt": rfc3339(volume.created // SECOND * SECOND),
        "Driver": volume.driver,
        "Labels": dict(volume.labels) or None,
        "Mountpoint": volume.mountpoint,
        "Name": volume.name,
        "Options": dict(volume.options) or None,
        "Scope": "local",
    }


def usage_json(volume: Volume, users: int, size: int) -> dict[str, object]:
    """As `GET /system/df` shows it."""
    return {**volume_json(volume), "UsageData": {"RefCount": users, "Size": size}}
