"""One host for the clients of this folder, with its images, and docker-py on its socket."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from fairlead.lab.machine import Machine
from tests.support import images
from tests.support.machines import machine as one_machine
from tests.support.machines import missing_requirements

CLEAR = "docker ps -aq | xargs -r docker rm -fv; docker network prune -f; docker volume prune -af"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    if why := missing_requirements():
        pytest.skip(why)
    with one_machine() as host:
        images.provide(host, "busybox", "nginx")
        yield host


@pytest.fixture
def host(machine: Machine) -> Iterator[Machine]:
    """The host, without containers, networks and volumes of other tests."""
    yield machine
    machine.sh(CLEAR, check=False)


@pytest.fixture
def client(host: Machine) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=f"unix://{host.socket}", timeout=30)
    yield client
    client.close()
