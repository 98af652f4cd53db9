"""Constraints, as users write them."""

from __future__ import annotations

import pytest

from fairlead.core.swarm.constraints import parse, satisfies, unmet
from fairlead.model.errors import Failed
from tests.core.swarm.builders import node

EAST = node("n1", labels={"zone": "east"}, role="manager", engine_labels={"os": "Debian 12"}, address="10.1.2.3")


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("node.labels.zone==east", True),
        ("node.labels.zone == East", True),
        ("node.labels.zone!=east", False),
        ("node.labels.disk==ssd", False),
        ("node.labels.disk!=ssd", True),
        ("node.role==manager", True),
        ("node.role!=worker", True),
        ("node.id==n1", True),
        ("node.hostname==N1", True),
        ("node.platform.os==linux", True),
        ("node.platform.arch==x86_64", True),
        ("engine.labels.os==debian 12", True),
        ("node.ip==10.1.0.0/16", True),
        ("node.ip!=10.1.2.3", False),
        ("node.colour==blue", False),
    ],
)
def test_what_a_node_satisfies(expression: str, holds: bool) -> None:
    assert satisfies(EAST, [expression]) is holds


def test_all_must_hold_and_the_first_that_does_not_is_named() -> None:
    assert unmet(EAST, ["node.role==manager", "node.labels.zone==west"]) == "node.labels.zone==west"


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("foo", "constraint expected one operator from ==, !="),
        ("node.labels.zone=east", "constraint expected one operator from ==, !="),
        ("no de==x", "key 'no de' is invalid"),
        ("node.id==", "value '' is invalid"),
    ],
)
def test_a_bad_constraint_is_refused_in_dockers_words(expression: str, complaint: str) -> None:
    with pytest.raises(Failed) as refused:
        parse([expression])
    assert refused.value.message == f"rpc error: code = Unknown desc = {complaint}"
