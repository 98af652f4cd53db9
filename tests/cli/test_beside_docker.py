"""The same words typed after `docker` and after `fairlead`, against one daemon: the same answers and exit statuses."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator

import pytest

from fairlead.lab.machine import Machine
from tests.support.images import provide
from tests.support.machines import machine, missing_requirements

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements() or "-")]

FAIRLEAD = f"{sys.executable} -m fairlead"

SETTING = [
    "docker network create --label tier=back --subnet 10.55.0.0/24 back",
    "docker volume create --label keep=yes data",
    "docker run -d --name web --net back -p 8080:80 -l app=web -v data:/data nginx",
    "docker run -d --name two-words busybox sh -c 'echo out; echo err >&2; sleep 1000'",
    "docker run --name ended busybox sh -c 'echo bye; exit 3'",
    "docker tag busybox:latest busybox:other",
]

SAME = [
    "ps",
    "ps -a --no-trunc",
    "ps -aq",
    "ps --format '{{.ID}} {{.Names}} {{.Ports}} {{.Status}} {{.Networks}} {{.Mounts}} {{.Label \"app\"}}'",
    "ps --format 'table {{.Names}}\\t{{.Image}}\\t{{.LocalVolumes}}'",
    "ps --filter name=web --format '{{.Names}}: {{.Command}}'",
    "ps -a --filter status=exited -q",
    "ps -n 1 --format '{{.Names}}'",
    "images",
    "images --no-trunc busybox",
    "images -q",
    "images --format '{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}}'",
    "history --no-trunc busybox",
    "network ls",
    "network ls --no-trunc --filter driver=bridge",
    "network ls -q --filter label=tier=back",
    "network ls --format '{{.Name}} {{.Driver}} {{.Scope}} {{.IPv4}} {{.IPv6}} {{.Internal}} {{.Labels}}'",
    "network inspect bridge back",
    "network inspect -f '{{range .IPAM.Config}}{{.Subnet}}{{end}} {{json .Labels}} {{.Driver}}' back",
    "network inspect -f '{{.Foo}}' back",
    "network inspect missing back -f '{{.Name}}'",
    "volume ls",
    "volume ls -q",
    "volume ls --format '{{.Name}} {{.Driver}} {{.Mountpoint}} {{.Labels}}'",
    "volume inspect data",
    "inspect web",
    "inspect -f '{{.State.Status}} {{.NetworkSettings.Networks.back.IPAddress}} {{.Config.Labels.app}}' web",
    "inspect -f '{{index .Config.Env 0}} {{len .Mounts}} {{json .HostConfig.PortBindings}}' web",
    "inspect -f '{{range $p, $b := .NetworkSettings.Ports}}{{$p}} {{range $b}}{{.HostPort}} {{end}}{{end}}' web",
    "inspect -f '{{.NetworkSettings.Networks.missing.IPAddress}}' web",
    "inspect --type network back",
    "inspect missing",
    "port web",
    "port web 80",
    "port web 99/tcp",
    "logs two-words",
    "logs -n 1 ended",
    "top two-words -o pid,comm",
    "diff web",
    "wait ended",
    "exec two-words sh -c 'echo $HOME; exit 7'",
    "exec -e A=1 -w /tmp -u nobody two-words sh -c 'echo $A; pwd; id -un'",
    "exec missing true",
    "exec ended true",
    "run --rm busybox sh -c 'echo out; exit 5'",
    "run --rm -e A=1 --hostname h --add-host x:1.2.3.4 busybox sh -c 'echo $A; hostname; grep x /etc/hosts'",
    "run --rm --net none busybox ip addr",
    "run --rm --read-only --tmpfs /t busybox sh -c 'touch /a; touch /t/a'",
    "run --rm -m 64m --cpus 0.5 --ulimit nofile=64:64 busybox sh -c 'ulimit -n'",
    "run --rm busybox not-there",
    "run --rm --ip 1.2.3.4 busybox true",
    "run --rm -p 70000:80 busybox true",
    "run -d --name web busybox top",
    "stop missing",
    "rm web",
    "rm -f missing",
    "kill ended",
    "network rm missing",
    "network rm back",
    "network create back",
    "network create --subnet foo x",
    "network create --gateway 10.7.0.1 x",
    "network connect back missing",
    "network connect back web",
    "network disconnect bridge web",
    "volume rm data",
    "rmi missing",
    "events --since 1h --until 0s --filter type=network --filter event=create --format '{{.Action}} {{.Type}}'",
    "system df --format '{{.Type}} {{.TotalCount}} {{.Active}}'",
]
"""Lines whose standard output and exit status are compared; standard error is where the words may differ."""

# Columns are as wide as their longest cell, which may grow by a digit between the two questions.
_CHANCE = re.compile(r"\b[0-9a-f]{64}\b|\d+ (?:seconds?|minutes?)|About a minute|Less than a second")


@pytest.fixture(scope="module")
def host() -> Iterator[Machine]:
    with machine() as found:
        provide(found, "busybox", "nginx")
        for line in SETTING:
            found.sh(line, check=False)
        yield found


def answer(host: Machine, line: str) -> tuple[int, str]:
    """Exit status and standard output, without what time and chance put in."""
    done = host.sh(line, check=False)
    return done.returncode, re.sub("  +", "  ", _CHANCE.sub("<chance>", done.stdout))


@pytest.mark.parametrize("line", SAME)
def test_the_answer_is_dockers(host: Machine, line: str) -> None:
    assert answer(host, f"{FAIRLEAD} {line}") == answer(host, f"docker {line}")


REASONS = [
    "network rm bridge",
    "network inspect missing",
    "stop missing",
    "exec ended true",
    "rmi busybox:missing",
    "volume inspect missing",
    "cp missing:/x .",
]


@pytest.mark.parametrize("line", REASONS)
def test_the_daemons_reasons_are_passed_on(host: Machine, line: str) -> None:
    ours, theirs = host.sh(f"{FAIRLEAD} {line}", check=False), host.sh(f"docker {line}", check=False)
    reason = re.search("Error response from daemon: .*", theirs.stderr)
    assert reason, theirs.stderr
    assert reason[0] in ours.stderr


def test_input_is_piped_in_and_output_out(host: Machine) -> None:
    for program in (FAIRLEAD, "docker"):
        assert host.sh(f"head -c 3000000 /dev/zero | {program} run --rm -i busybox wc -c").stdout == "3000000\n"
        assert host.sh(f"echo words | {program} exec -i two-words tr a-z A-Z").stdout == "WORDS\n"


def test_a_terminal_is_given_through(host: Machine) -> None:
    shell = f"stty rows 33 cols 111; {FAIRLEAD} run --rm -it busybox sh -c 'stty size; tty; exit 9'"
    done = host.sh(f'script -qec "{shell}" /dev/null </dev/null', check=False)
    assert "33 111\n/dev/pts/0\n" in done.stdout
    assert done.returncode == 9


def test_images_go_out_and_come_back(host: Machine) -> None:
    host.sh(f"{FAIRLEAD} save -o /tmp/saved.tar busybox:latest && docker rmi busybox:other")
    said = host.sh(f"{FAIRLEAD} load < /tmp/saved.tar; rm /tmp/saved.tar").stdout
    assert said == "Loaded image: busybox:latest\n"


def test_what_is_open_is_listed(host: Machine) -> None:
    shown = host.sh(
        f"{FAIRLEAD} exposure --format '{{{{.Address}}}} {{{{.Port}}}} {{{{.Target}}}}: {{{{.Reach}}}}'"
    ).stdout
    assert "0.0.0.0 8080/tcp web:80: whoever reaches this host" in shown.splitlines()


def test_a_trace_says_why_and_its_status_whether(host: Machine) -> None:
    verdict, tried = host.sh(f"{FAIRLEAD} trace host web --send").stdout.splitlines()[-2:]
    assert verdict == "host reaches web"
    assert tried.endswith(": answered")
    refused = host.sh(f"{FAIRLEAD} trace web host:9", check=False)
    assert (refused.returncode, "nothing listens there" in refused.stdout) == (1, True)
    away = host.sh(f"{FAIRLEAD} trace web 192.0.2.1 --port 80 --json", check=False)
    said = json.loads(away.stdout)
    assert away.returncode == {"cannot tell": 2, "does not reach": 1}[said["Verdict"]]
    assert [hop["Number"] for hop in said["Hops"]] == list(range(1, len(said["Hops"]) + 1))
    nobody = host.sh(f"{FAIRLEAD} trace nobody web", check=False)
    assert (nobody.returncode, nobody.stderr.strip()) == (2, "Error response from daemon: No such container: nobody")
