"""What a docker client said to dockerd 28 in whole sessions, said again to Fairlead: same statuses, shapes and words.

The daemon is a real one on a host of its own; `ACCEPTED` lists where Fairlead differs on purpose, with the reason.
"""

from __future__ import annotations

import re

import pytest

from tests.conformance.replay import Replay, recording
from tests.support.images import provide
from tests.support.machines import machine, missing_requirements

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements() or "-")]

BEFORE = {
    "err1-networks": [
        "docker network create n1",
        "docker network create --subnet 10.5.0.0/24 s1",
        "docker run -d --name c1 --net n1 busybox top",
        "docker run -d --name c2 --net s1 --ip 10.5.0.9 busybox top",
        "docker run -d --name d1 busybox top",
        "docker run -d --name h1 --net host busybox top",
        "docker run -d --name z1 --net none busybox top",
        "docker run -d --name w1 -p 8080:80 nginx",
        "busybox httpd -p 9099 -h /tmp",
    ]
}
"""What stood on the host before the recording began."""

ACCEPTED = {
    r"/info: \.DriverStatus": "the recorded daemon ran on vfs, which has none",
    r"/info: \.Runtimes\.\*\.status": "what runc offers is not asked for",
    r"/info: \.Containerd: missing": "there is no containerd",
    r"/version: \.Components\[\]\.Details\.PythonVersion": "the language is told where Docker tells Go's",
    r"/networks/create: says 'numerical result out of range: com": "Fairlead also says which name is too long",
    r"/images/create\?fromImage=.* says 'Get .*registry-1": "no registry is reachable, and it shows in another place",
    r"/containers/<id 51>/start: status 204 instead of 500": "a port may be published for SCTP",
    r"says .invalid JSON: .* instead of .invalid JSON: ": "the parser has words of its own",
}


@pytest.mark.parametrize("name", ["lab01-basics", "lab03-reborn", "lab17-order", "err1-networks"])
def test_a_recorded_session_goes_as_it_went_with_dockerd(name: str) -> None:
    with machine() as host:
        provide(host)
        for line in BEFORE.get(name, []):
            host.sh(line)
        found = Replay(host.socket).run(recording(name))
    unexpected = [line for line in found if not any(re.search(pattern, line) for pattern in ACCEPTED)]
    assert not unexpected, "\n".join(unexpected)
