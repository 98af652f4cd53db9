"""A namespace as the worker sees it while it carries out a plan: its sockets, descriptor and link indexes."""

from __future__ import annotations

import os

from fairlead.effects.kernel.ipvs import Ipvs
from fairlead.effects.kernel.link_reader import index_of
from fairlead.effects.kernel.netlink import GENERIC, NETFILTER, ROUTE, XFRM, Channel
from fairlead.effects.kernel.netns import entered_descriptor, open_namespace
from fairlead.effects.kernel.nft import Nftables
from fairlead.model.plan import HOST


class Place:
    """Everything is opened when first needed. Raises KernelRefused where the namespace is gone."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.indexes: dict[str, int] = {}
        self._route: Channel | None = None
        self._netfilter: Channel | None = None
        self._xfrm: Channel | None = None
        self._generic: Channel | None = None
        self._ipvs: Ipvs | None = None
        self._nftables: Nftables | None = None
        self._descriptor = -1

    def open(self) -> None:
        """Open both sockets now."""
        self._route, self._netfilter = self._open(ROUTE), self._open(NETFILTER)

    @property
    def route(self) -> Channel:
        if self._route is None:
            self._route = self._open(ROUTE)
        return self._route

    @property
    def netfilter(self) -> Channel:
        if self._netfilter is None:
            self._netfilter = self._open(NETFILTER)
        return self._netfilter

    @property
    def xfrm(self) -> Channel:
        if self._xfrm is None:
            self._xfrm = self._open(XFRM)
        return self._xfrm

    @property
    def ipvs(self) -> Ipvs:
        """Raises KernelRefused where the kernel has none."""
        if self._generic is None:
            self._generic = self._open(GENERIC)
        if self._ipvs is None:
            self._ipvs = Ipvs(self._generic)
        return self._ipvs

    @property
    def nftables(self) -> Nftables:
        if self._nftables is None:
            self._nftables = Nftables(self.netfilter)
        return self._nftables

    @property
    def descriptor(self) -> int:
        if self._descriptor < 0:
            self._descriptor = open_namespace(self.path)
        return self._descriptor

    def _open(self, protocol: int) -> Channel:
        if self.path == HOST:
            return Channel(protocol)
        with entered_descriptor(self.descriptor):
            return Channel(protocol)

    def index(self, name: str) -> int:
        """The index of a link, remembered for the plan; 0 if there is none."""
        found = self.indexes.get(name, 0)
        if not found:
            found = index_of(self.route, name)
            if found:
                self.indexes[name] = found
        return found

    def close(self) -> None:
        """Let go of the namespace, which open sockets would keep alive."""
        for channel in (self._route, self._netfilter, self._xfrm, self._generic):
            if channel is not None:
                channel.close()
        self._route = self._netfilter = self._xfrm = self._generic = self._nftables = self._ipvs = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
