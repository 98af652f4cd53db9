"""Go templates as people write them after `--format`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.cli.faults import Fault
from fairlead.cli.format.template import Template

WEB = {
    "Id": "c0ffee",
    "Name": "/web",
    "RestartCount": 0,
    "State": {"Running": True, "ExitCode": 0, "Health": None},
    "Mounts": [],
    "Args": ["-c", "sleep 1"],
    "Config": {"Labels": {"com.example.tier": "front"}, "Env": ["A=1", "B=2"]},
    "NetworkSettings": {
        "Networks": {"backend": {"IPAddress": "10.0.0.2"}, "front": {"IPAddress": "10.1.0.2"}},
        "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "81/tcp": None},
    },
}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain", "plain"),
        ("{{.Name}} {{.RestartCount}}", "/web 0"),
        ("{{ .State.Running }}", "true"),
        ("{{json .State}}", '{"Running":true,"ExitCode":0,"Health":null}'),
        ("{{json .Mounts}}{{.Mounts}}", "[][]"),
        ("{{.Args}}", "[-c sleep 1]"),
        ("{{.State}}", "map[ExitCode:0 Health:<no value> Running:true]"),
        ("{{.NetworkSettings.Networks.front.IPAddress}}", "10.1.0.2"),
        ("{{.NetworkSettings.Networks.missing.IPAddress}}", "<no value>"),
        ("{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", "10.0.0.2 10.1.0.2 "),
        (
            "{{range $name, $net := .NetworkSettings.Networks}}{{$name}}={{$net.IPAddress}};{{end}}",
            "backend=10.0.0.2;front=10.1.0.2;",
        ),
        ("{{range $i, $e := .Config.Env}}{{$i}}{{$e}}{{end}}", "0A=11B=2"),
        ("{{range .Mounts}}x{{else}}none{{end}}", "none"),
        ('{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}', "8080"),
        ('{{index .Config.Labels "com.example.tier"}}', "front"),
        ('{{index .Config.Labels "nothing"}}', "<no value>"),
        ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
        ("{{if .State.Health}}h{{else if .State.ExitCode}}e{{else}}none{{end}}", "none"),
        ("{{with .Config}}{{.Env}}{{end}}{{with .State.Health}}x{{end}}", "[A=1 B=2]"),
        ("{{if and .State.Running (eq .State.ExitCode 0)}}fine{{end}}", "fine"),
        ("{{if or (gt .RestartCount 3) (not .State.Running)}}bad{{else}}good{{end}}", "good"),
        ('{{join .Args ","}} {{upper .Name}} {{len .Args}}', "-c,sleep 1 /WEB 2"),
        ('{{printf "%-6s|%5d|%q" .Id 42 "a b"}}', 'c0ffee|   42|"a b"'),
        ('{{slice .Name 1}} {{slice .Id 0 3}} {{split "a/b" "/"}}', "web c0f [a b]"),
        ("a{{- .Name -}} b", "a/webb"),
        ('{{/* a remark */}}x{{`raw`}}{{ "}}" }}', "xraw}}"),
        (r"{{.Id}}\t{{.Name}}\n", "c0ffee\t/web\n"),
        ("{{$x := .Id}}{{$x}} {{$.Name}}", "c0ffee /web"),
        ("{{println .Id}}", "c0ffee\n"),
    ],
)
def test_what_a_template_shows(source, text):
    assert Template(source, strict=True).render(WEB) == text


def test_piped_values_come_last():
    assert Template('{{.Name | printf "%s-%s" "x"}}').render(WEB) == "x-/web"


@pytest.mark.parametrize(
    ("source", "message", "status"),
    [
        ("{{", "template parsing error: template: :1: unclosed action", 64),
        ("{{if .Id}}", "template parsing error: template: :1: unexpected EOF", 64),
        ("{{end}}", "template parsing error: template: :1: unexpected {{end}}", 64),
        ("{{nothing .Id}}", 'template parsing error: template: :1: function "nothing" not defined', 64),
        ("{{(.Id}}", "template parsing error: template: :1: unclosed left paren", 64),
        ("{{}}", "template parsing error: template: :1: missing value for command", 64),
        (
            "{{.Foo}}",
            'template parsing error: template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"',
            1,
        ),
        (
            "{{.Name.First}}",
            'template parsing error: template: :1:2: executing "" at <.Name.First>: '
            "can't evaluate field First in type string",
            1,
        ),
    ],
)
def test_a_bad_template_says_what_is_wrong(source, message, status):
    with pytest.raises(Fault) as caught:
        Template(source, strict=True).render(WEB)
    assert (caught.value.text, caught.value.status) == (message, status)


def test_a_field_that_is_not_there_has_no_value_unless_strict():
    assert Template("{{.Foo}}{{.Foo.Bar}}").render(WEB) == "<no value><no value>"


def test_a_callable_field_takes_arguments():
    row = {"Label": lambda name: f"<{name}>", "ID": "1"}
    assert Template('{{.Label "tier"}} {{json .}}').render(row) == '<tier> {"ID":"1"}'


@given(st.text(alphabet='{}.-$ "`|()aI:=,%1rngedfws', max_size=40))
def test_any_text_is_a_template_or_a_fault(source):
    try:
        Template(source, strict=True).render({"a": {"I": 1}, "r": [1, {"a": "x"}]})
    except Fault as fault:
        assert fault.text.startswith("template parsing error: ")  # noqa: PT017 - either outcome is fine
