"""The language of plays itself."""

from __future__ import annotations

from tests.labs.play import Bindings, absent, differences, parse

ID = "ab12" * 16


def test_a_play_is_steps_with_expectations() -> None:
    steps = parse(
        "## title\n\n$ docker x\n{n:id}\n\n$ false\n[exit 1]\n% sh\n> hostname\nname\n@ restart --icc=false\n"
    )
    assert [(s.line, s.kind, s.command, s.exit_code) for s in steps] == [
        (3, "$", "docker x", 0),
        (6, "$", "false", 1),
        (8, "%", "sh", 0),
        (11, "@", "restart --icc=false", 0),
    ]
    assert steps[0].expected == ("{n:id}",)
    assert steps[2].typed == ("hostname",)
    assert steps[2].expected == ("name",)


def test_a_step_may_name_its_host() -> None:
    steps = parse("$ docker ps\n$ node2: docker ps -a\n@ node3: stop\n")
    assert [(s.host, s.command) for s in steps] == [
        ("node1", "docker ps"),
        ("node2", "docker ps -a"),
        ("node3", "stop"),
    ]


def test_a_name_binds_once() -> None:
    bindings = Bindings()
    assert bindings.matches("{n:id}", ID)
    assert bindings.matches("{n:12} bridge", f"{ID[:12]} bridge")
    assert not bindings.matches("{n:12}", "0" * 12)
    assert bindings.fill("docker rm {n:12}") == f"docker rm {ID[:12]}"


def test_text_is_compared_line_by_line() -> None:
    assert not differences(Bindings(), ("a {num} b", "{mac}"), "a 1.5 b  \n02:42:ac:11:00:02\n")
    assert differences(Bindings(), ("a", "b"), "a\n") == ["- b", "+ <nothing more>"]
    assert differences(Bindings(), (), "a\n") == ["- <nothing more>", "+ a"]


def test_json_is_compared_by_meaning() -> None:
    expected = ('{"b": 1, "{c:id}": {"Created": "{time}"}, "n": "{num}"}',)
    actual = '{"n": 7, "' + ID + '": {"Created": "2026-11-21T08:06:31.676714648Z"}, "b": 1}'
    bindings = Bindings()
    assert not differences(bindings, expected, actual)
    assert bindings.ids == {"c": ID}
    assert differences(Bindings(), ('{"a": []}',), '{"a": null, "x": 1}') == [
        ".a: wanted [], got None",
        ".x: not expected",
    ]


def test_on_a_terminal_lines_appear_in_order() -> None:
    assert not absent(Bindings(), ("one", "two"), "/ # x\r\none\r\nnoise\r\ntwo\r\n")
    assert absent(Bindings(), ("two", "one"), "one\ntwo\n") == ["- one"]
