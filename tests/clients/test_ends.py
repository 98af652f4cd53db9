"""Where programs find the end of things: of a run, of its output, of what they were attached to."""

from __future__ import annotations

from typing import Any

import docker
import pytest
from docker.types import Mount

pytestmark = pytest.mark.lab
Client = docker.DockerClient


def started(client: Client, *argv: str, **options: Any) -> str:
    made = client.api.create_container("busybox", list(argv), **options)
    client.api.start(made["Id"])
    return str(made["Id"])


def test_the_end_of_the_output_is_the_end_of_the_container(client: Client) -> None:
    """Exit code and addresses are asked for, and networks removed, as soon as the output is over."""
    network = client.networks.create("ending")
    made = client.api.create_container(
        "busybox",
        ["sh", "-c", "echo said; exit 3"],
        networking_config=client.api.create_networking_config({"ending": client.api.create_endpoint_config()}),
    )
    output = client.api.attach(made, stdout=True, stream=True)
    client.api.start(made)
    assert b"".join(output) == b"said\n"
    state = client.api.inspect_container(made)["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 3)
    network.remove()


def test_a_followed_log_ends_however_short_the_run_is(client: Client) -> None:
    for _ in range(5):
        container = started(client, "echo", "short")
        assert client.api.logs(container, follow=True) == b"short\n"


def test_whoever_waits_sees_an_end_also_of_a_container_that_will_run_again(client: Client) -> None:
    policy = client.api.create_host_config(restart_policy={"Name": "always", "MaximumRetryCount": 0})
    made = client.api.create_container("busybox", ["sh", "-c", "sleep 1; exit 4"], host_config=policy)
    client.api.start(made)
    assert client.api.wait(made) == {"StatusCode": 4}
    client.api.remove_container(made, force=True)


def test_an_exec_is_framed_as_its_start_asks(client: Client) -> None:
    container = started(client, "top")
    terminal = client.api.exec_create(container, ["printf", "out"], tty=True)
    assert client.api.exec_start(terminal, demux=True) == (b"out", None)


def test_parts_of_a_volume_are_mounted_and_nothing_else_is(client: Client) -> None:
    client.volumes.create("parts")
    prepare = "mkdir /v/sub; echo here > /v/sub/file; ln -s sub /v/good; ln -s / /v/root"
    client.containers.run("busybox", ["sh", "-c", prepare], volumes={"parts": {"bind": "/v"}}, remove=True)

    def list_part(subpath: str) -> bytes:
        mount = Mount("/part", "parts", type="volume")
        mount["VolumeOptions"] = {"Subpath": subpath}
        said = client.containers.run("busybox", ["ls", "/part"], mounts=[mount], remove=True)
        assert isinstance(said, bytes)
        return said

    assert list_part("sub") == list_part("good") == b"file\n"
    for subpath, words in (
        ("root", "path concatenation escapes the base directory"),
        ("none", "cannot access path"),
        ("../../..", "subpath must be a relative path within the volume"),
        ("/etc", "subpath must be a relative path within the volume"),
    ):
        with pytest.raises(docker.errors.APIError, match=words):
            list_part(subpath)


def test_a_container_at_its_end_can_be_committed(client: Client) -> None:
    for _ in range(3):
        container = started(client, "true")
        client.api.remove_image(client.api.commit(container)["Id"])


def test_what_is_no_archive_is_told_where_clients_look_for_it(client: Client) -> None:
    with pytest.raises(docker.errors.ImageLoadError, match="invalid tar"):
        client.images.load(b"no tar at all")


def test_limits_of_processes_come_and_go(client: Client) -> None:
    container = started(client, "top")

    def limit(value: int) -> tuple[Any, str]:
        client.api._result(  # docker-py has no word for it
            client.api._post_json(client.api._url("/containers/{0}/update", container), data={"PidsLimit": value})
        )
        made = client.api.exec_create(
            container, ["sh", "-c", "cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>&-"]
        )
        shown = client.api.inspect_container(container)["HostConfig"]["PidsLimit"]
        return shown, client.api.exec_start(made).decode().split("\n")[0]

    assert client.api.inspect_container(container)["HostConfig"]["PidsLimit"] is None
    assert limit(30) == (30, "30")
    assert limit(-1) == (0, "max")


def test_an_image_for_another_machine_is_not_run(client: Client) -> None:
    with pytest.raises(docker.errors.NotFound, match=r"its platform \(linux/amd64\) does not match .*linux/arm64"):
        client.containers.create("busybox", platform="linux/arm64")


def test_a_link_can_be_removed_while_both_go_on(client: Client) -> None:
    server = started(client, "top", name="server", hostname="srv")
    links = client.api.create_host_config(links={"server": "db"})
    reader = started(client, "top", name="reader", host_config=links)

    def said(*argv: str) -> str:
        made = client.api.exec_create(reader, list(argv))
        return client.api.exec_start(made).decode()  # type: ignore[no-any-return]

    (names,) = (seen["Names"] for seen in client.api.containers() if seen["Id"] == server)
    assert names == ["/server", "/reader/db"]
    assert "db srv server" in said("cat", "/etc/hosts")
    assert "DB_NAME=/reader/db" in said("env")
    client.api.remove_container("reader/db", link=True)
    assert "db srv server" not in said("cat", "/etc/hosts")
    assert client.api.inspect_container(reader)["HostConfig"]["Links"] is None
    assert client.api.inspect_container(server)["State"]["Running"]
    with pytest.raises(docker.errors.NotFound, match="No such link: /reader/db"):
        client.api.remove_container("reader/db", link=True)
    with pytest.raises(docker.errors.APIError, match="cannot remove the default link name"):
        client.api.remove_container("server", link=True)
