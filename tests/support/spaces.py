"""Network namespaces of tests, and who may make them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fairlead.effects.kernel import netns


@contextmanager
def host_namespace() -> Iterator[None]:
    """The thread of the body, and every thread and process that it starts, lives in a fresh namespace."""
    descriptor = netns.make_namespace()
    try:
        with netns.entered_descriptor(descriptor):
            yield
    finally:
        os.close(descriptor)


def skip_without_root(items: Iterable[pytest.Item], folder: Path) -> None:
    """For `pytest_collection_modifyitems` of a folder whose tests make namespaces."""
    for item in items:
        if os.geteuid() != 0 and folder in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="needs root"))
