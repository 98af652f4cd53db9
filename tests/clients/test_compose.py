"""docker-compose 1.29, Debian's, on a host of a lab: two services, two networks, a volume, a published port."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fairlead.lab.machine import Machine
from tests.support.machines import wait_for

COMPOSE = "/usr/bin/docker-compose"
pytestmark = [pytest.mark.lab, pytest.mark.skipif(shutil.which(COMPOSE) is None, reason="needs docker-compose")]

SHOP = """
version: "3.8"
services:
  web:
    image: nginx
    ports: ["8085:80"]
    environment: {MODE: test, DB: db}
    depends_on: [db]
    networks:
      front: {aliases: [www]}
      back: {}
    volumes: ["data:/data"]
  db:
    image: busybox
    command: ["sh", "-c", "echo db is up; exec sleep 1000"]
    stop_grace_period: 0s
    networks:
      back: {ipv4_address: 10.77.0.10}
    volumes: ["data:/var/lib/db"]
    restart: unless-stopped
networks:
  front: {}
  back:
    ipam: {config: [{subnet: 10.77.0.0/24}]}
volumes:
  data: {}
"""
GUESTS = """
version: "2.4"
services:
  app:
    image: busybox
    command: top
    stop_grace_period: 0s
    networks: [front]
    mem_limit: 64m
    cpus: 0.5
    healthcheck: {test: ["CMD", "true"], interval: 1s, retries: 2}
    ulimits: {nofile: 1234}
    sysctls: {net.core.somaxconn: 333}
    extra_hosts: ["x:1.2.3.4"]
    tmpfs: /scratch
  late:
    image: busybox
    command: top
    stop_grace_period: 0s
    network_mode: service:app
    depends_on: {app: {condition: service_healthy}}
networks:
  front: {external: true, name: shop_front}
"""
Compose = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def shop(host: Machine, tmp_path: Path) -> Iterator[Compose]:
    compose = _project(host, tmp_path, "shop", SHOP)
    try:
        compose("up -d")
        yield compose
    finally:
        compose("down -v -t 0")


@pytest.fixture
def guests(host: Machine, shop: Compose, tmp_path: Path) -> Iterator[Compose]:
    compose = _project(host, tmp_path, "guests", GUESTS)
    try:
        compose("up -d")
        yield compose
    finally:
        compose("down -v -t 0")


def _project(host: Machine, folder: Path, name: str, text: str) -> Compose:
    file = folder / f"{name}.yml"
    file.write_text(text)

    def run(line: str) -> subprocess.CompletedProcess[str]:
        return host.sh(f"COLUMNS=200 COMPOSE_ANSI=never {COMPOSE} -f {file} -p {name} {line}", timeout=60)

    return run


def welcomed(host: Machine) -> bool:
    return "Welcome" in host.sh("curl -s -m 5 http://127.0.0.1:8085/", check=False).stdout


def test_a_project_comes_up_is_used_and_goes_without_a_trace(host: Machine, tmp_path: Path) -> None:
    compose = _project(host, tmp_path, "shop", SHOP)
    compose("up -d")
    try:
        listed = compose("ps").stdout
        assert "shop_web_1" in listed
        assert "0.0.0.0:8085->80/tcp,:::8085->80/tcp" in listed
        wait_for(lambda: "db is up" in compose("logs db").stdout, what="what db says")
        wait_for(lambda: welcomed(host), what="the published port to answer")
        asked = "exec -T web sh -c 'echo $MODE $DB; wget -q -O - www | grep -c title; ping -c 1 -W 2 db; touch /data/x'"
        said = compose(asked).stdout
        assert said.startswith("test db\n1\n")
        assert "PING db (10.77.0.10)" in said
        assert compose("exec -T db ls /var/lib/db").stdout == "x\n"
        assert compose("port web 80").stdout.strip() == "0.0.0.0:8085"
    finally:
        compose("down -v -t 0")
    left = host.docker("ps -aq") + host.docker("volume ls -q") + host.docker("network ls -q --filter type=custom")
    assert left == ""


def test_services_stop_start_and_are_made_anew_with_their_data(host: Machine, shop: Compose) -> None:
    shop("exec -T db touch /var/lib/db/kept")
    shop("restart -t 0 db")
    shop("stop -t 0")
    assert "Exit" in shop("ps").stdout
    shop("start")
    before = shop("ps -q db").stdout
    shop("up -d --force-recreate -t 0")
    assert shop("ps -q db").stdout != before
    assert shop("exec -T db ls /var/lib/db").stdout == "kept\n"
    wait_for(lambda: welcomed(host), what="the published port to answer")


def test_a_second_project_joins_the_network_of_the_first_and_scales(guests: Compose) -> None:
    guests("up -d --scale app=3")
    wait_for(lambda: guests("ps").stdout.count("Up (healthy)") == 3, 20, "all three to be healthy")
    reached = guests(
        "exec -T --index=2 app sh -c 'ping -c 1 -W 2 shop_web_1; ping -c 1 -W 2 www; cat /etc/hosts'"
    ).stdout
    assert reached.count("1 packets received") == 2
    assert "1.2.3.4\tx" in reached
    assert guests("run --rm -T app sh -c 'ulimit -n; cat /proc/sys/net/core/somaxconn'").stdout == "1234\n333\n"
