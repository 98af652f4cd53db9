"""Saying for whom something failed, without changing whose fault it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fairlead.model.errors import Failed, KernelRefused, Refusal


@contextmanager
def blamed(prefix: str) -> Iterator[None]:
    """Every refusal out of the body says `prefix` first and keeps its class (the kernel's become `Failed`)."""
    try:
        yield
    except KernelRefused as refusal:
        raise Failed(f"{prefix}{refusal.message}") from refusal
    except Refusal as refusal:
        raise type(refusal)(f"{prefix}{refusal.message}") from refusal
