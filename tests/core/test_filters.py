"""Filters by age: `--filter until=...`."""

from __future__ import annotations

import pytest

from fairlead.core.filters import created_before
from fairlead.model.errors import Invalid


@pytest.mark.parametrize(
    ("text", "moment"),
    [("10m", 400), ("1h30m", -4400), ("500ms", 999), ("900", 900), ("1970-01-01T00:15:00Z", 900)],
)
def test_until_is_a_duration_before_now_or_a_moment(text: str, moment: int) -> None:
    now = 1000 * 10**9
    assert (created_before({"until": [text]}, now) or 0) // 10**9 == moment


def test_an_until_that_is_no_time_is_refused() -> None:
    with pytest.raises(Invalid, match='invalid value for "until": "soon"'):
        created_before({"until": ["soon"]}, 0)
