"""One host with a daemon for all tests of this folder; each test names its containers after itself."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import docker
import pytest

from fairlead.lab.machine import Machine
from tests.support import images
from tests.support.machines import machine, missing_requirements


@dataclass(frozen=True)
class Desk:
    """The docker CLI and docker-py on the same daemon, and the name that this test's container shall have."""

    machine: Machine
    name: str

    def docker(self, line: str, stdin: bytes = b"", code: int = 0) -> str:
        """Run `docker LINE` ({name} is filled in), which must exit with `code`; both outputs."""
        done = self.run(line, stdin)
        assert done[0] == code, f"docker {line}: exit {done[0]}, not {code}\n{done[1]}"
        return done[1]

    def run(self, line: str, stdin: bytes = b"") -> tuple[int, str]:
        command = self.machine.command(["sh", "-c", f"docker {line.replace('{name}', self.name)} 2>&1"])
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)
        return done.returncode, done.stdout.decode(errors="replace")

    def inspect(self, path: str = "") -> Any:
        found = json.loads(self.docker("inspect {name}"))[0]
        for key in filter(None, path.split(".")):
            found = found[key]
        return found

    def client(self) -> docker.DockerClient:
        return docker.DockerClient(base_url=f"unix://{self.machine.socket}", timeout=30)


@pytest.fixture(scope="package")
def host() -> Iterator[Machine]:
    if missing := missing_requirements():
        pytest.skip(missing)
    with machine() as made:
        images.provide(made, "busybox")
        yield made


@pytest.fixture
def desk(host: Machine, request: pytest.FixtureRequest) -> Iterator[Desk]:
    desk = Desk(host, re.sub("[^a-zA-Z0-9_.-]", "-", request.node.name)[:60])
    yield desk
    desk.run("rm -fv {name} {name}2")
