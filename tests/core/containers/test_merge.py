"""What runs: the request over the image's defaults."""

from __future__ import annotations

import pytest

from fairlead.core.containers.merge import merge, process_environment
from fairlead.model.container import ContainerSpec, HealthSpec, NetworkingSpec
from fairlead.model.errors import Invalid
from fairlead.model.image import ImageConfig

IMAGE = ImageConfig(
    user="app",
    exposed=("80/tcp",),
    env=("PATH=/bin", "A=image"),
    entrypoint=("/entry",),
    cmd=("serve",),
    volumes=("/data",),
    working_dir="/srv",
    labels={"who": "image", "kept": "yes"},
    stop_signal="SIGQUIT",
    health=HealthSpec(("CMD", "probe"), interval=5, retries=2),
)


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "argv"),
    [
        (None, None, ("/entry", "serve")),
        (None, ("other",), ("/entry", "other")),
        (("/mine",), None, ("/mine",)),
        (("/mine",), ("x",), ("/mine", "x")),
        (("",), ("x",), ("x",)),
    ],
)
def test_an_own_entrypoint_drops_the_images_command(
    entrypoint: tuple[str, ...] | None, cmd: tuple[str, ...] | None, argv: tuple[str, ...]
) -> None:
    assert merge(ContainerSpec("i", cmd=cmd, entrypoint=entrypoint), IMAGE).argv == argv


def test_without_any_command_there_is_nothing_to_run() -> None:
    with pytest.raises(Invalid, match="no command specified"):
        merge(ContainerSpec("i"), ImageConfig())


def test_the_request_wins_over_the_image() -> None:
    spec = ContainerSpec(
        "i", env=("A=mine",), user="me", labels={"who": "me"}, network=NetworkingSpec(exposed=("90/udp", "80/tcp"))
    )
    merged = merge(spec, IMAGE)
    assert merged.env == ("A=mine", "PATH=/bin")
    assert (merged.user, merged.workdir, merged.stop_signal) == ("me", "/srv", "SIGQUIT")
    assert merged.labels == {"who": "me", "kept": "yes"}
    assert merged.exposed == ("90/udp", "80/tcp")
    assert merged.volumes == ("/data",)


def test_a_health_check_takes_what_it_does_not_say_from_the_image() -> None:
    merged = merge(ContainerSpec("i", health=HealthSpec(interval=9)), IMAGE)
    assert merged.health == HealthSpec(("CMD", "probe"), interval=9, retries=2)
    none = merge(ContainerSpec("i", health=HealthSpec(("NONE",))), IMAGE)
    assert none.health == HealthSpec(("NONE",))


def test_the_environment_has_defaults_that_can_be_overridden_and_unset() -> None:
    assert process_environment(("A=1",), "host", False, ("DB_PORT=x",)) == (
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOSTNAME=host",
        "DB_PORT=x",
        "A=1",
    )
    assert "TERM=xterm" in process_environment((), "h", True, ())
    assert process_environment(("PATH=/x", "HOSTNAME"), "h", False, ()) == ("PATH=/x",)


def test_a_working_directory_is_said_without_what_says_nothing() -> None:
    assert merge(ContainerSpec("i", cmd=("x",), working_dir="//tmp/./sub/"), ImageConfig()).workdir == "/tmp/sub"
    assert merge(ContainerSpec("i", cmd=("x",), working_dir="/"), ImageConfig()).workdir == "/"
