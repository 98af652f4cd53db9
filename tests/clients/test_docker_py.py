"""docker-py 7, the library that most programs use."""

from __future__ import annotations

import io
import socket
import tarfile
import time
from typing import Any

import docker
import pytest
from docker.models.containers import Container
from docker.types import IPAMConfig, IPAMPool, LogConfig, Mount, Ulimit

from tests.support import images
from tests.support.machines import wait_for

pytestmark = pytest.mark.lab
Client = docker.DockerClient


def top(client: Client, name: str, **options: Any) -> Container:
    return client.containers.run("busybox", "top", detach=True, name=name, stop_signal="KILL", **options)


def raw(stream: Any) -> socket.socket:
    """The socket behind docker-py's file object."""
    return stream._sock  # type: ignore[no-any-return]


def rest_of(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(4096), b""))


def refusal(call: Any) -> tuple[int, str]:
    with pytest.raises(docker.errors.APIError) as caught:
        call()
    return caught.value.status_code, caught.value.explanation


# --- networks -------------------------------------------------------------------------------------------


def test_a_network_is_made_as_described(client: Client) -> None:
    pool = IPAMPool("10.50.0.0/24", "10.50.0.128/25", "10.50.0.9", {"router": "10.50.0.130"})
    network = client.networks.create(
        "py", driver="bridge", ipam=IPAMConfig(pool_configs=[pool]), labels={"a": "b"}, attachable=True
    )
    assert network.attrs["IPAM"]["Config"] == [
        {
            "Subnet": "10.50.0.0/24",
            "IPRange": "10.50.0.128/25",
            "Gateway": "10.50.0.9",
            "AuxiliaryAddresses": {"router": "10.50.0.130"},
        }
    ]
    assert network.attrs["Attachable"]
    assert network.attrs["Labels"] == {"a": "b"}
    for found in (
        client.networks.list(names=["py"]),
        client.networks.list(ids=[network.id]),
        client.networks.list(filters={"label": "a=b"}),
        client.networks.list(filters={"driver": "bridge", "type": "custom"}),
    ):
        assert [each.name for each in found] == ["py"]


def test_containers_join_and_leave_networks(client: Client) -> None:
    pool = IPAMPool(subnet="10.51.0.0/24")
    network = client.networks.create("py", ipam=IPAMConfig(pool_configs=[pool]))
    container = top(client, "joiner")
    network.connect(container, aliases=["also"], ipv4_address="10.51.0.77", driver_opt={"x": "y"})
    network.reload()
    assert [each.name for each in network.containers] == ["joiner"]
    container.reload()
    endpoint = container.attrs["NetworkSettings"]["Networks"]["py"]
    assert endpoint["IPAddress"] == "10.51.0.77"
    assert endpoint["MacAddress"] == "02:42:0a:33:00:4d"
    assert endpoint["Aliases"] == ["also"]
    assert endpoint["DNSNames"] == ["joiner", "also", container.id[:12]]
    network.disconnect(container)
    network.reload()
    assert network.containers == []
    network.remove()
    client.networks.create("idle")
    begun = time.time()
    assert client.networks.prune()["NetworksDeleted"] == ["idle"]
    told = list(client.events(decode=True, since=begun, until=time.time(), filters={"type": "network"}))
    assert told[-1]["Action"] == "prune"
    assert told[-1]["Actor"]["Attributes"] == {"reclaimed": "0"}


def test_networks_are_refused_with_dockers_words(client: Client) -> None:
    assert refusal(lambda: client.networks.get("nope")) == (404, "network nope not found")
    assert refusal(lambda: client.networks.create("host"))[0] == 403
    client.networks.create("twice")
    assert refusal(lambda: client.networks.create("twice")) == (409, "network with name twice already exists")
    assert refusal(lambda: client.containers.run("busybox", network="nope"))[0] == 404


# --- containers -----------------------------------------------------------------------------------------


def test_run_gives_output_and_exit_codes(client: Client) -> None:
    assert client.containers.run("busybox", "echo hi", remove=True) == b"hi\n"
    both = client.containers.run("busybox", ["sh", "-c", "echo out; echo err >&2"], stderr=True, remove=True)
    assert sorted(both.splitlines()) == [b"err", b"out"]
    with pytest.raises(docker.errors.ContainerError) as failed:
        client.containers.run("busybox", 'sh -c "echo bad >&2; exit 3"', remove=True)
    assert failed.value.exit_status == 3
    assert failed.value.stderr == b"bad\n"
    assert client.containers.list(all=True) == []


def test_logs_come_while_they_are_written_and_afterwards(client: Client) -> None:
    lines = "for i in 0 1 2; do echo out$i; echo err$i >&2; sleep 0.1; done"
    container = client.containers.run("busybox", ["sh", "-c", lines], detach=True)
    assert b"".join(sorted(container.logs(stream=True, follow=True))) == b"err0\nerr1\nerr2\nout0\nout1\nout2\n"
    assert container.wait() == {"StatusCode": 0}
    assert container.logs(stderr=False, tail=2) == b"out1\nout2\n"
    assert container.logs(stdout=False) == b"err0\nerr1\nerr2\n"
    assert container.logs(timestamps=True, tail=1)[:2] == b"20"
    assert container.logs(since=int(time.time()) + 5) == b""


def test_attach_speaks_both_ways(client: Client) -> None:
    container = client.containers.run("busybox", "sh", detach=True, stdin_open=True)
    stream = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    raw(stream).sendall(b"echo from $HOSTNAME\nexit 7\n")
    said = f"from {container.id[:12]}\n".encode()
    assert rest_of(raw(stream)) == bytes([1, 0, 0, 0, 0, 0, 0, len(said)]) + said
    assert container.wait() == {"StatusCode": 7}


def test_exec_in_all_its_manners(client: Client) -> None:
    container = top(client, "worker")
    assert container.exec_run("echo hi") == (0, b"hi\n")
    assert container.exec_run("sh -c 'exit 4'") == (4, b"")
    assert container.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True) == (0, (b"o\n", b"e\n"))
    how = {"environment": {"A": "1"}, "workdir": "/tmp", "user": "nobody", "tty": True}
    assert container.exec_run("sh -c 'echo $A; pwd; id -u'", **how).output == b"1\r\n/tmp\r\n65534\r\n"
    piped = raw(container.exec_run("cat", socket=True, stdin=True).output)
    piped.sendall(b"abc")
    piped.shutdown(socket.SHUT_WR)
    assert rest_of(piped) == b"\x01\x00\x00\x00\x00\x00\x00\x03abc"


def test_exec_by_the_low_level_client(client: Client) -> None:
    container = top(client, "worker")
    made = client.api.exec_create(container.id, "sleep 100")["Id"]
    assert client.api.exec_start(made, detach=True) == ""
    seen = client.api.exec_inspect(made)
    assert seen["Running"]
    assert seen["ExitCode"] is None
    assert seen["ContainerID"] == container.id
    missing = client.api.exec_create(container.id, "nosuch")["Id"]
    assert b'exec: "nosuch": executable file not found' in client.api.exec_start(missing)
    assert client.api.exec_inspect(missing)["ExitCode"] == 127
    shell = client.api.exec_create(container.id, "sh", tty=True, stdin=True)["Id"]
    terminal = raw(client.api.exec_start(shell, tty=True, socket=True))
    client.api.exec_resize(shell, height=33, width=77)
    terminal.sendall(b"stty size; exit\n")
    assert b"33 77" in rest_of(terminal)


def test_what_nobody_attends_to_goes_on(client: Client) -> None:
    """A shell that was begun detached keeps its terminal, and a program whose client left has somewhere to write to."""
    container = top(client, "worker")
    shell = client.api.exec_create(container.id, "sh", tty=True, stdin=True)["Id"]
    client.api.exec_start(shell, detach=True, tty=True)
    client.api.exec_resize(shell, height=33, width=77)
    lines = "echo ready; until [ -e /go ]; do sleep 0.05; done; yes | head -c 200000; echo done > /said"
    talker = client.api.exec_create(container.id, ["sh", "-c", lines])["Id"]
    hearing = raw(client.api.exec_start(talker, socket=True))
    assert hearing.recv(100)
    hearing.shutdown(socket.SHUT_RDWR)
    hearing.close()
    container.exec_run("touch /go")
    wait_for(lambda: container.exec_run("cat /said").output == b"done\n", what="the program to end")
    assert client.api.exec_inspect(talker)["ExitCode"] == 0
    assert client.api.exec_inspect(shell)["Running"]


def test_what_runs_inside_is_seen_and_measured(client: Client) -> None:
    container = top(client, "worker", mem_limit="64m")
    table = container.top()
    assert table["Titles"][0] == "UID"
    assert table["Processes"][0][-1] == "top"
    assert container.top(ps_args="aux")["Titles"][0] == "USER"
    once = container.stats(stream=False)
    assert once["memory_stats"]["limit"] == 64 << 20
    assert once["networks"]["eth0"]["rx_bytes"] >= 0
    flow = container.stats(stream=True, decode=True)
    assert [next(flow)["name"] for _ in range(2)] == ["/worker"] * 2


def test_files_go_in_and_out_as_tars(client: Client) -> None:
    container = top(client, "worker")
    sent = io.BytesIO()
    with tarfile.open(fileobj=sent, mode="w") as tar:
        entry = tarfile.TarInfo("file.txt")
        entry.size, entry.uid = 3, 1000
        tar.addfile(entry, io.BytesIO(b"xyz"))
    assert container.put_archive("/tmp", sent.getvalue())
    chunks, stat = container.get_archive("/tmp/file.txt")
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        back = tar.extractfile("file.txt")
        assert back is not None
        assert back.read() == b"xyz"
        assert tar.getmember("file.txt").uid == 1000
        assert tar.getmember("file.txt").pax_headers == {}
    assert stat["name"] == "file.txt"
    assert stat["size"] == 3
    assert {"Path": "/tmp/file.txt", "Kind": 1} in container.diff()
    assert refusal(lambda: container.get_archive("/nope"))[0] == 404
    assert len(b"".join(container.export())) > 1000


def test_a_container_lives_changes_and_ends(client: Client) -> None:
    container = top(client, "worker")
    container.rename("renamed")
    container.update(mem_limit="64m", memswap_limit="128m", restart_policy={"Name": "on-failure"})
    container.reload()
    assert container.name == "renamed"
    assert container.attrs["HostConfig"]["Memory"] == 64 << 20
    container.pause()
    container.reload()
    assert container.status == "paused"
    container.unpause()
    container.restart(timeout=0)
    container.kill()
    assert container.wait() == {"StatusCode": 137}
    assert refusal(lambda: container.exec_run("true")) == (409, f"container {container.id} is not running")
    image = container.commit("kept", "v1")
    assert image.tags == ["kept:v1"]
    client.images.remove("kept:v1")
    assert client.containers.prune()["ContainersDeleted"] == [container.id]
    assert refusal(lambda: client.containers.get("renamed")) == (404, "No such container: renamed")


def test_many_options_at_once(client: Client) -> None:
    container = client.containers.run(
        "nginx",
        detach=True,
        ports={"80/tcp": 8099, "81/udp": None, "82/tcp": ("127.0.0.1", 8098), "83/tcp": [8301, 8302]},
        labels=["flag"],
        hostname="myhost",
        dns=["192.0.2.1"],
        dns_search=["s.test"],
        dns_opt=["ndots:2"],
        extra_hosts={"other": "192.0.2.9"},
        mem_limit="100m",
        pids_limit=50,
        cap_add=["NET_ADMIN"],
        cap_drop=["MKNOD"],
        tmpfs={"/scratch": "size=1m"},
        volumes={"named": {"bind": "/v", "mode": "ro"}},
        mounts=[Mount("/tm", "", type="tmpfs", tmpfs_size=1 << 20)],
        ulimits=[Ulimit(name="core", soft=100 * 512, hard=200 * 512)],
        sysctls={"net.core.somaxconn": "99"},
        shm_size="32m",
        init=True,
        working_dir="/tmp",
        group_add=["1234"],
        devices=["/dev/null:/dev/xnull:rwm"],
        mac_address="02:42:ac:11:00:99",
        log_config=LogConfig(type="json-file", config={"max-size": "1m"}),
        healthcheck={"test": ["CMD", "true"], "interval": 500_000_000},
        stop_signal="KILL",
    )
    script = "hostname; pwd; ulimit -c; cat /proc/sys/net/core/somaxconn /proc/1/comm; id -G; ls /dev/xnull; touch /v/x"
    said = container.exec_run(["sh", "-c", script]).output.decode().splitlines()
    assert said[:7] == ["myhost", "/tmp", "100", "99", "docker-init", "0 1234", "/dev/xnull"]
    assert "Read-only file system" in said[7]
    container.reload()
    assert container.ports["82/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": "8098"}]
    assert [each["HostPort"] for each in container.ports["83/tcp"]] == ["8301", "8301", "8302", "8302"]
    assert int(container.ports["81/udp"][0]["HostPort"]) >= 32768
    assert container.attrs["NetworkSettings"]["MacAddress"] == "02:42:ac:11:00:99"
    wait_for(lambda: client.containers.list(filters={"health": "healthy", "label": "flag", "publish": "8099"}))


# --- images, volumes, system ----------------------------------------------------------------------------


def test_images_are_tagged_saved_loaded_and_described(client: Client) -> None:
    image = client.images.get("busybox")
    assert image.tag("registry.test:5000/box", "t1")
    image.reload()
    assert image.tags == ["busybox:latest", "registry.test:5000/box:t1"]
    assert image.history()[0]["Id"] == image.id
    data = b"".join(client.images.get("busybox").save(named="busybox:latest"))
    client.images.remove("registry.test:5000/box:t1")
    assert client.images.load(data)[0].id == image.id
    client.api.import_image_from_data(images.archive("busybox"), repository="imported", tag="1")
    assert "imported:1" in client.images.get("imported:1").tags
    client.images.remove("imported:1")
    assert [each.tags for each in client.images.list(filters={"reference": "busy*"})] == [["busybox:latest"]]
    assert refusal(lambda: client.images.get("nope")) == (404, "No such image: nope:latest")
    assert client.images.prune()["SpaceReclaimed"] >= 0


def test_volumes(client: Client) -> None:
    options = {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}
    volume = client.volumes.create("vol", driver_opts=options, labels={"k": "v"})
    assert volume.attrs["Options"] == options
    assert volume.attrs["Scope"] == "local"
    assert [each.name for each in client.volumes.list(filters={"label": "k", "dangling": True})] == ["vol"]
    mounted = client.containers.run("busybox", "sh -c 'mount | grep /x'", volumes=["vol:/x"], remove=True)
    assert mounted.startswith(b"tmpfs on /x type tmpfs")
    user = top(client, "user", volumes=["vol:/x"])
    code, text = refusal(lambda: volume.remove())
    assert code == 409
    assert text == f"remove vol: volume is in use - [{user.id}]"
    user.remove(force=True)
    volume.remove()
    assert refusal(lambda: client.volumes.get("vol")) == (404, "get vol: no such volume")


def test_the_daemon_tells_about_itself(client: Client) -> None:
    assert client.ping()
    assert client.api.api_version == "1.50"
    info = client.info()
    assert info["Name"] == "host1"
    assert info["LiveRestoreEnabled"]
    assert info["Swarm"]["LocalNodeState"] == "inactive"
    assert {"Images", "Containers", "Volumes", "BuildCache"} <= set(client.df())
    assert refusal(lambda: client.services.list())[0] == 503


def test_events_tell_a_life_in_order(client: Client) -> None:
    events = client.events(decode=True, since=int(time.time()), filters={"type": ["container", "network"]})
    container = client.containers.run("busybox", "false", detach=True, name="brief")
    container.wait()
    container.remove()
    seen = []
    for event in events:
        if container.id in (event["Actor"]["ID"], event["Actor"]["Attributes"].get("container")):
            seen.append((event["Type"], event["Action"]))
        if seen and seen[-1][1] == "destroy":
            break
    events.close()
    assert seen == [
        ("container", "create"),
        ("network", "connect"),
        ("container", "start"),
        ("network", "disconnect"),
        ("container", "die"),
        ("container", "destroy"),
    ]


# --- the protocol ---------------------------------------------------------------------------------------


def test_requests_that_clients_make_besides_the_api(client: Client) -> None:
    api, container = client.api, client.containers.create("busybox", "top")
    asked = api.options(api._url("/any/path"))
    assert (asked.status_code, asked.text) == (200, "")
    assert api.head(api._url("/_ping", versioned_api=False)).headers["Api-Version"]
    refused = api.post(api._url("/containers/{0}/start", container.id), json={"Binds": ["/tmp:/tmp"]})
    assert (refused.status_code, refused.json()["message"].split(" was ")[0]) == (
        400,
        "starting container with non-empty request body",
    )
    assert api.post(api._url("/containers/{0}/start", container.id), json={}).status_code == 204


def test_older_clients_find_a_container_by_its_id_among_its_aliases(client: Client) -> None:
    client.networks.create("old")
    container = client.containers.create("busybox", "top", network="old", hostname="web")
    url = f"http+docker://localhost/v1.44/containers/{container.id}/json"
    shown = client.api.get(url).json()["NetworkSettings"]["Networks"]["old"]
    assert shown["Aliases"] == [container.id[:12], "web"]
    assert client.api.inspect_container(container.id)["NetworkSettings"]["Networks"]["old"]["Aliases"] is None
