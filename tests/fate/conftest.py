"""Every table of packets is gone through for both families, with and without fib expressions."""

from __future__ import annotations

import pytest

from tests.fate.town import Town


@pytest.fixture(params=[(4, True), (4, False), (6, True), (6, False)], ids=["v4", "v4-nofib", "v6", "v6-nofib"])
def town(request: pytest.FixtureRequest) -> Town:
    version, fib = request.param
    return Town(version, fib)
