"""Every test runs in a network namespace of its own, which is the "host", and may have more of them as containers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.effects.kernel import netns
from fairlead.effects.kernel.linux import LinuxKernel
from tests.support.spaces import host_namespace, skip_without_root

OWNER = "fairlead-test"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip_without_root(items, Path(__file__).parent)


@pytest.fixture(autouse=True)
def host() -> Iterator[None]:
    """The thread of the test, and every thread it starts, lives in a fresh namespace until the test is over."""
    with host_namespace():
        yield


@pytest.fixture
async def kernel(host: None) -> AsyncIterator[LinuxKernel]:
    kernel = LinuxKernel(OWNER)
    await kernel.start()
    yield kernel
    await kernel.close()


@pytest.fixture
def netns_directory(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "netns"
    netns.make_private_mount(directory)
    yield directory
    for path in directory.iterdir():
        netns.forget_namespace(path)
    netns.unmount(directory)


@pytest.fixture
def container(netns_directory: Path) -> Callable[[str], str]:
    """Makes a namespace with a file and returns its path."""

    def make(name: str) -> str:
        descriptor = netns.make_namespace()
        try:
            netns.name_namespace(descriptor, netns_directory / name)
        finally:
            os.close(descriptor)
        return str(netns_directory / name)

    return make


def run(*command: str, ns: str = "") -> str:
    """The output of an independent program, inside a namespace if one is named."""
    prefix = ("nsenter", f"--net={ns}") if ns else ()
    done = subprocess.run((*prefix, *command), capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def ip(*arguments: str, ns: str = "") -> list[dict[str, Any]]:
    """What `ip -j -d` says."""
    if shutil.which("ip") is None:
        pytest.skip("needs iproute2")
    return [entry for entry in json.loads(run("ip", "-j", "-d", *arguments, ns=ns) or "[]") if entry]


def link(name: str, ns: str = "") -> dict[str, Any] | None:
    """One link as `ip` sees it, None if there is none."""
    return next((entry for entry in ip("link", "show", ns=ns) if entry["ifname"] == name), None)


def nft(*arguments: str, ns: str = "") -> list[dict[str, Any]]:
    """What `nft -j` says, without its preamble."""
    if shutil.which("nft") is None:
        pytest.skip("needs nft")
    found: list[dict[str, Any]] = json.loads(run("nft", "-j", *arguments, ns=ns))["nftables"]
    return [entry for entry in found if "metainfo" not in entry]


@pytest.fixture
async def features(kernel: LinuxKernel) -> frozenset[str]:
    return (await kernel.facts()).features
