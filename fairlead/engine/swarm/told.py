"""What the managers have told this node besides its tasks: itself, the networks, secrets and configs."""

from __future__ import annotations

from ipaddress import IPv4Address

from fairlead.core.swarm.task_files import Known
from fairlead.engine.swarm.messages import News
from fairlead.model.network import Address
from fairlead.model.swarm.cluster import GossipKey
from fairlead.model.swarm.files import Config, Secret
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import Node

VXLAN = 4789
NOWHERE = IPv4Address(0)


class Told:
    """In memory alone, since secrets must never reach a disk: after a restart nothing new is started before a manager
    has told everything again (`informed`), while what runs is watched all along."""

    def __init__(self, node_id: str, data_address: Address = NOWHERE) -> None:
        self.node = Node(node_id)
        self.data_address = data_address
        self.informed = False
        self.networks: dict[str, SwarmNetwork] = {}
        self.secrets: dict[str, Secret] = {}
        self.configs: dict[str, Config] = {}
        self.peers: tuple[Address, ...] = ()
        self.keys: tuple[GossipKey, ...] = ()
        self.data_path_port = VXLAN

    @property
    def files(self) -> Known:
        return Known(self.secrets, self.configs)

    def take(self, news: News) -> None:
        change = news.difference
        if news.everything:
            self.secrets, self.configs = {}, {}
        for secret in change.secrets:
            self.secrets[secret.id] = secret
        for config in change.configs:
            self.configs[config.id] = config
        for file_id in change.drop_secrets:
            self.secrets.pop(file_id, None)
        for file_id in change.drop_configs:
            self.configs.pop(file_id, None)
        if news.networks is not None:
            self.networks = {network.id: network for network in news.networks}
        self.node = news.node or self.node
        self.peers = self.peers if news.peers is None else news.peers
        self.keys = news.keys or self.keys
        self.data_path_port = news.data_path_port or self.data_path_port
        self.informed = self.informed or news.everything
