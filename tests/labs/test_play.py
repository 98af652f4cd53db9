"""The language of plays itself."""

from __future__ import annotations

from tests.labs.play import Bindings, absent, cast, differences, parse, settled, shuffled_differences

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


def test_a_play_may_name_its_hosts() -> None:
    text = "on: manager1 worker1\n\n$ docker node ls\n$ worker1: docker ps\n?30 manager1: x\na\nb\n[any order]\n"
    assert cast(text) == ["manager1", "worker1"]
    steps = parse(text)
    assert [(s.host, s.command) for s in steps] == [
        ("manager1", "docker node ls"),
        ("worker1", "docker ps"),
        ("manager1", "x"),
    ]
    assert (steps[2].kind, steps[2].patience, steps[2].any_order) == ("?", 30.0, True)


def test_names_of_swarm_objects_bind_too() -> None:
    bindings, whole = Bindings(), "i3u6flxqxzpkb2x5j4sj3xfdf"
    assert bindings.matches("{s:s12} web", f"{whole[:12]} web")
    assert bindings.matches("{s:sid}", whole)
    assert not bindings.matches("{s:sid}", whole[::-1])
    assert bindings.fill("docker service rm {s:sid} {s:s12}") == f"docker service rm {whole} {whole[:12]}"


def test_lines_may_come_in_any_order() -> None:
    assert not shuffled_differences(Bindings(), ("a {num}", "b"), "b\na 1\n")
    assert shuffled_differences(Bindings(), ("a", "b"), "a\na\n") == ["- b", "+ a"]


def test_the_wait_for_a_service_is_left_out() -> None:
    said = "web scaled to 2\noverall progress: 0 out of 2 tasks\n1/2: running   [==>]\nverify: Waiting 1 seconds\n"
    assert settled(f"{said}verify: Service web converged\n") == "web scaled to 2\nverify: Service web converged\n"
