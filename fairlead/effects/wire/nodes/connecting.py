"""From an address to a connection with a manager, or the reason why there is none."""

from __future__ import annotations

import asyncio
import logging
import ssl
from functools import partial

from fairlead.effects.wire.nodes.addresses import split
from fairlead.effects.wire.nodes.asking import AskingConnection
from fairlead.effects.wire.nodes.tls import MANAGER_HOST, notice_silence, shown
from fairlead.model.errors import Unavailable

GOODBYE_SECONDS = 2.0

log = logging.getLogger(__name__)


class NotOurs(Unavailable):
    """Who answers is no manager of the swarm that was asked for."""


async def connect(address: str, context: ssl.SSLContext, cluster_id: str = "") -> AskingConnection:
    """`cluster_id` "" takes the managers of any swarm that the context trusts. Raises Unavailable, and NotOurs, which
    is logged. How long it may take is the caller's affair."""
    host, port = split(address)
    try:
        transport, connection = await asyncio.get_running_loop().create_connection(
            partial(AskingConnection, address),
            host,
            port,
            ssl=context,
            server_hostname=MANAGER_HOST,
            ssl_shutdown_timeout=GOODBYE_SECONDS,
        )
    except ssl.SSLCertVerificationError as error:
        raise _not_ours(address, error.verify_message) from error
    except ssl.SSLError as error:
        raise Unavailable(f"{address} does not speak as managers do: {error.reason or error}") from error
    except OSError as error:
        raise Unavailable(f"cannot reach the manager at {address}: {str(error.strerror or error).lower()}") from error
    if (sock := transport.get_extra_info("socket")) is not None:
        notice_silence(sock)
    if cluster_id:
        other = shown(transport.get_extra_info("peercert"), cluster_id)
        if other.peer is None:
            connection.abort()
            raise _not_ours(address, other.fault or "it shows no certificate")
    return connection


def _not_ours(address: str, why: str) -> NotOurs:
    log.warning("refused to speak to a manager: %s", why, extra={"address": address})
    return NotOurs(f"{address} is not a manager of this swarm: {why}")
