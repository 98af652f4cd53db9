"""Network namespaces of tests, and who may make them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from fairlead.effects.kernel import netns
from fairlead.effects.kernel.linux import LinuxKernel


@contextmanager
def host_namespace() -> Iterator[None]:
    """The thread of the body, and every thread and process that it starts, lives in a fresh namespace."""
    descriptor = netns.make_namespace()
    try:
        with netns.entered_descriptor(descriptor):
            yield
    finally:
        os.close(descriptor)


@contextmanager
def named_namespaces(directory: Path) -> Iterator[Path]:
    """A directory for the files of namespaces; all of them are gone afterwards."""
    netns.make_private_mount(directory)
    try:
        yield directory
    finally:
        for path in directory.iterdir():
            netns.forget_namespace(path)
        netns.unmount(directory)


@asynccontextmanager
async def kernel_of_its_own(owner: str, folder: Path) -> AsyncIterator[tuple[LinuxKernel, Path]]:
    """A kernel at work in a fresh namespace, and a directory below `folder` for more of them."""
    with host_namespace(), named_namespaces(folder / "netns") as directory:
        kernel = LinuxKernel(owner)
        await kernel.start()
        try:
            yield kernel, directory
        finally:
            await kernel.close()


def skip_without_root(items: Iterable[pytest.Item], folder: Path) -> None:
    """For `pytest_collection_modifyitems` of a folder whose tests make namespaces."""
    for item in items:
        if os.geteuid() != 0 and folder in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="needs root"))
