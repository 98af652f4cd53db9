"""A runtime makes its process the one that orphans fall to; the tests' own process is that no longer than one test."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest

from fairlead.effects.oci.process import PR_SET_CHILD_SUBREAPER


@pytest.fixture(autouse=True)
def orphans_go_elsewhere_afterwards() -> Iterator[None]:
    """What other tests leave behind is init's to collect: here nobody would."""
    yield
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
