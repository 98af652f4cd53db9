"""Names of everything that has an address, and the resolver at 127.0.0.11 in every sandbox.

The engine tells what is attached where (`set_endpoint`, `drop_endpoint`) and which sandboxes listen
(`open_sandbox`, `close_sandbox`); all else follows: which names a sandbox sees, in which order its
networks are asked, whether a query may leave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead.model.dns import DnsPorts, Upstream
from fairlead.model.endpoint import Endpoint
from fairlead.model.network import Network


class Names:
    def set_endpoint(self, endpoint: Endpoint, network: Network) -> None:
        """The endpoint exists, or has changed (renamed, other aliases, other addresses).

        Call it for every endpoint of a sandbox, also on networks without names (default bridge:
        `endpoint.names` empty), because whether a sandbox may ask outside depends on all of them.
        """
        raise NotImplementedError

    def drop_endpoint(self, endpoint_id: str) -> None:
        """The endpoint is gone; unknown is fine."""
        raise NotImplementedError

    def arrange(self, sandbox_id: str, networks: Sequence[str]) -> None:
        """The order in which the sandbox's networks (ids) are asked: that of its gateways, best first.

        Without it, the order of connection.
        """
        raise NotImplementedError

    async def open_sandbox(self, sandbox_id: str, ns_path: str, upstreams: Sequence[Upstream]) -> DnsPorts:
        """Listen in the namespace; the ports are for the sandbox's DNS translation (firewall).

        Opening an open sandbox changes its upstreams and gives the same ports again.
        Raises Failed when the sockets cannot be made.
        """
        raise NotImplementedError

    async def close_sandbox(self, sandbox_id: str) -> None:
        """Stop listening; unknown is fine. The namespace is not kept alive any longer."""
        raise NotImplementedError

    def counters(self) -> Mapping[str, int]:
        """Since the start: answered, forwarded, refused, ignored, upstream failures."""
        raise NotImplementedError
