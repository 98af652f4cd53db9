"""Dockerfile lines of `docker import -c` and `docker commit -c`."""

from __future__ import annotations

import pytest

from fairlead.core.images.changes import apply_changes
from fairlead.model.container import HealthSpec
from fairlead.model.errors import Invalid
from fairlead.model.image import ImageConfig

EMPTY = ImageConfig()


def _with_d(volumes: tuple[str, ...], cmd: tuple[str, ...]) -> ImageConfig:
    return ImageConfig(env=("D=/a",), volumes=volumes, cmd=cmd)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (['CMD ["nginx", "-g", "daemon off;"]'], ImageConfig(cmd=("nginx", "-g", "daemon off;"))),
        (["cmd echo hi"], ImageConfig(cmd=("/bin/sh", "-c", "echo hi"))),
        (['SHELL ["/bin/ash", "-c"]', "CMD x"], ImageConfig(shell=("/bin/ash", "-c"), cmd=("/bin/ash", "-c", "x"))),
        (['ENTRYPOINT ["/e"]'], ImageConfig(entrypoint=("/e",))),
        (["ENV A=1 B='x y'", "ENV A=2"], ImageConfig(env=("A=2", "B=x y"))),
        (["ENV PATH=/bin", "ENV PATH=/x:$PATH", r"ENV A=\\$PATH"], ImageConfig(env=("PATH=/x:/bin", r"A=$PATH"))),
        (["ENV A=1", "ENV B=${A}${C:-2}${A:+3}${C:+4}$C"], ImageConfig(env=("A=1", "B=123"))),
        (["ENV D=/a", "VOLUME $D/v", "CMD echo $D"], _with_d(("/a/v",), ("/bin/sh", "-c", "echo $D"))),
        (["ENV GREETING hello world"], ImageConfig(env=("GREETING=hello world",))),
        (["EXPOSE 80 53/udp 8000-8002"], ImageConfig(exposed=("80/tcp", "53/udp", "8000/tcp", "8001/tcp", "8002/tcp"))),
        (['LABEL a=1 "b c"="d e"'], ImageConfig(labels={"a": "1", "b c": "d e"})),
        (["VOLUME /a /b", 'VOLUME ["/b", "/c"]'], ImageConfig(volumes=("/a", "/b", "/c"))),
        (["WORKDIR /a", "WORKDIR b"], ImageConfig(working_dir="/a/b")),
        (["USER ann:staff", "STOPSIGNAL SIGINT"], ImageConfig(user="ann:staff", stop_signal="SIGINT")),
        (["ONBUILD RUN x"], ImageConfig(on_build=("RUN x",))),
        (["HEALTHCHECK NONE"], ImageConfig(health=HealthSpec(test=("NONE",)))),
        (
            ["HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD wget -q localhost"],
            ImageConfig(
                health=HealthSpec(
                    test=("CMD-SHELL", "wget -q localhost"), interval=90 * 10**9, timeout=5 * 10**8, retries=3
                )
            ),
        ),
    ],
)
def test_instructions(lines: list[str], expected: ImageConfig) -> None:
    assert apply_changes(EMPTY, lines) == expected


def test_lines_are_those_of_a_dockerfile() -> None:
    """Clients send several instructions in one, as Docker lets them."""
    several = apply_changes(EMPTY, ['EXPOSE 80\nCMD ["a"]', "", "# words", "ENV A=1 \\", "  B=2"])
    assert several == apply_changes(EMPTY, ["EXPOSE 80", 'CMD ["a"]', "ENV A=1 B=2"])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("FROM scratch", "FROM is not a valid change command"),
        ("RUN x", "RUN is not a valid change command"),
        ("CMD", "CMD requires at least one argument"),
        ("ENV A", "ENV must have two arguments"),
        ("ENV A=1 B", "Syntax error - can't find = in 'B'. Must be of the form: name=value"),
        ("EXPOSE 70000", "invalid containerPort: 70000"),
        ("EXPOSE http", "invalid containerPort: http"),
        ("SHELL /bin/sh", "SHELL requires the arguments to be in JSON form"),
        ("HEALTHCHECK --interval=soon CMD x", "time: invalid duration 'soon'"),
        ("HEALTHCHECK --color=red CMD x", "unknown flag: color"),
        ("HEALTHCHECK x", "unknown type 'x' in HEALTHCHECK (try CMD)"),
    ],
)
def test_what_cannot_be_applied_is_named(line: str, words: str) -> None:
    with pytest.raises(Invalid) as refused:
        apply_changes(EMPTY, [line])
    assert refused.value.message == words
