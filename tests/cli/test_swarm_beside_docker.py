"""A swarm of one, looked at with `docker` and with `fairlead`: the same answers and exit statuses."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest

from fairlead.lab.machine import Machine
from tests.support.images import provide
from tests.support.machines import machine, missing_requirements, wait_for

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements() or "-")]

FAIRLEAD = f"{sys.executable} -m fairlead"
PATIENT = "sh -c 'echo hello; trap \"exit 0\" TERM; while :; do sleep 0.2; done'"

QUICK = "--update-monitor 200ms --rollback-monitor 200ms --rollback-parallelism 0"

SETTING = [
    "docker swarm init",
    "docker network create -d overlay --label tier=back back",
    "printf top | docker secret create --label a=b key -",
    "printf welcome | docker config create motd -",
]

SAME = [
    "node ls",
    "node ls -q",
    "node ls --format '{{.Hostname}} {{.Self}} {{.TLSStatus}} {{.ManagerStatus}}'",
    "node inspect self",
    "node inspect self --pretty",
    "node inspect missing",
    "node ps",
    "node promote host1",
    "node demote host1",
    "node update --availability foo host1",
    "swarm join-token -q worker",
    "swarm join-token foo",
    "swarm ca",
    "swarm unlock-key",
    "swarm init",
    "network ls",
    "network inspect back",
    "service ls",
    "service ls -q",
    "service ls --filter foo=bar",
    "service ls --format json",
    "service ps web",
    "service ps -q web",
    "service ps web --no-trunc --format '{{.ID}} {{.Name}} {{.Image}} {{.Node}} {{.DesiredState}} {{.Error}}'",
    "service ps missing",
    "service inspect web",
    "service inspect --pretty web",
    "service inspect missing",
    "service logs web",
    "service logs --raw -n 1 web",
    "service logs missing",
    "service rm missing",
    "service scale missing=2",
    "service scale web=x",
    "service update missing",
    "service rollback web",
    "service create --mode foo busybox",
    "service create --mode global --replicas 2 busybox",
    "service create --endpoint-mode foo busybox",
    "service create --network none busybox",
    "service create --name web busybox",
    "service create --constraint foo busybox",
    "secret ls",
    "secret inspect key",
    "secret inspect --pretty key",
    "secret rm key",
    "config ls",
    "config inspect --pretty motd",
    "config rm missing",
]
"""Lines whose standard output and exit status are compared."""

_CHANCE = re.compile(r"\d+ (?:seconds?|minutes?)|[Aa]bout a minute|[Ll]ess than a second")


@pytest.fixture(scope="module")
def host() -> Iterator[Machine]:
    with machine() as found:
        provide(found, "busybox")
        for line in SETTING:
            found.sh(line)
        found.sh(
            f"{FAIRLEAD} service create -q --name web {QUICK} --replicas 2 --network back --secret key --config motd "
            f"-e A=1 --limit-memory 64m --constraint node.role==manager busybox {PATIENT}"
        )
        yield found


def answer(host: Machine, line: str) -> tuple[int, str]:
    """Exit status and standard output, without what time puts in."""
    done = host.sh(line, check=False)
    return done.returncode, re.sub("  +", "  ", _CHANCE.sub("<time>", done.stdout))


@pytest.mark.parametrize("line", SAME)
def test_the_answer_is_dockers(host: Machine, line: str) -> None:
    ours, theirs = answer(host, f"{FAIRLEAD} {line}"), answer(host, f"docker {line}")
    assert (ours[0], sorted(ours[1].splitlines())) == (theirs[0], sorted(theirs[1].splitlines()))


def test_a_service_lives_its_life(host: Machine) -> None:
    run = f"{FAIRLEAD} service"
    created = host.sh(f"{run} create --name life {QUICK} -p 8080:80 busybox {PATIENT}").stdout.splitlines()
    assert created[1].startswith("overall progress: ")
    assert created[2].startswith("1/1: ")
    assert created[-1] == f"verify: Service {created[0]} converged"
    assert host.sh(f"{run} scale -d life=3").stdout == "life scaled to 3\n"
    host.sh(f"{run} update -q --env-add B=2 --publish-rm 80 --publish-add 9090:80 --update-parallelism 0 life")
    shown = host.sh("docker service inspect life -f '{{json .Spec}}'").stdout
    assert '"Env":["B=2"]' in shown
    assert '"PublishedPort":9090' in shown
    assert "3/3" in host.sh(f"{run} ls --filter name=life").stdout
    told = host.sh(f"{run} rollback life").stdout
    assert "rollback: manually requested rollback\n" in told
    assert "verify: Service" in told
    assert "B=2" not in host.sh("docker service inspect life -f '{{.Spec.TaskTemplate.ContainerSpec.Env}}'").stdout
    assert host.sh(f"{run} rm life").stdout == "life\n"
    assert host.sh(f"{run} ps life", check=False).returncode == 1


def test_what_a_service_uses_cannot_be_removed(host: Machine) -> None:
    for line, words in (
        ("secret rm key", "secret 'key' is in use by the following service: web"),
        ("config rm motd", "config 'motd' is in use by the following service: web"),
        ("network rm back", "is in use by service"),
    ):
        refused = host.sh(f"{FAIRLEAD} {line}", check=False)
        assert refused.returncode == 1
        assert words in refused.stderr


def test_what_a_service_does_is_an_event(host: Machine) -> None:
    told = "docker events --since 5m --until 0s --filter type=service --filter scope=swarm"
    told += " --format '{{.Action}} {{json .Actor.Attributes}}'"
    host.sh("docker service create -d --name told --replicas 0 busybox && docker service scale -d told=1")
    update = 'update {"name":"told","replicas.new":"1","replicas.old":"0"}'
    wait_for(lambda: update in host.sh(told).stdout.splitlines(), what="the event")
    host.sh("docker service rm told")
