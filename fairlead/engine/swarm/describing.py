"""What a node tells the managers about itself."""

from __future__ import annotations

from fairlead import __version__
from fairlead.engine.system import System
from fairlead.model.swarm.node import NodeDescription, Platform, Plugin

_LOG_DRIVERS = ("json-file", "none")
_NANO = 1_000_000_000


def describe(system: System) -> NodeDescription:
    config, host = system.config, system.host
    plugins = [
        *(Plugin("Log", name) for name in _LOG_DRIVERS),
        *(Plugin("Network", name) for name in system.network_drivers()),
        Plugin("Volume", "local"),
    ]
    return NodeDescription(
        hostname=host.name,
        platform=Platform(host.architecture, "linux"),
        nano_cpus=host.cpus * _NANO,
        memory=host.memory,
        engine_version=__version__,
        engine_labels=dict(_pair(label) for label in config.labels),
        plugins=tuple(plugins),
        generic=dict(config.generic_resources),
        named=dict(config.named_resources),
    )


def _pair(label: str) -> tuple[str, str]:
    key, _, value = label.partition("=")
    return key, value
