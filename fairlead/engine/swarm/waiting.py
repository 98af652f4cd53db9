"""Waiting for whatever comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable


async def first_of(*awaited: Awaitable[object], seconds: float | None = None) -> None:
    """Returns when one of them is done, or after `seconds`; the others are cancelled then, and have ended. Raises what
    the one raised."""
    waits = [asyncio.ensure_future(one) for one in awaited]
    try:
        timeout = None if seconds is None else max(0.0, seconds)
        done, _ = await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
    finally:
        for one in waits:
            one.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
