"""Dockerfile instructions that `docker import -c` and `docker commit -c` apply to a configuration.

The table `_INSTRUCTIONS` maps each to function(config, arguments); the grammar is the Dockerfile reference's, without
heredocs and continuation lines. Variables are those of the image, and stand for something where Docker expands them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import msgspec

from fairlead.model.container import HealthSpec
from fairlead.model.errors import Invalid
from fairlead.model.image import ImageConfig

_SHELL = ("/bin/sh", "-c")
_PORT = re.compile(r"(\d+)(?:-(\d+))?(?:/(tcp|udp|sctp))?")
_VARIABLE = re.compile(
    r"\\(?P<plain>\$)|\$(?P<name>[A-Za-z_]\w*)|\$\{(?P<braced>[A-Za-z_]\w*)(?::(?P<sign>[-+])(?P<word>[^}]*))?\}"
)
_CONTINUED = re.compile(r"\\[ \t]*\n")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)")
_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_HEALTH_DURATIONS = {
    "interval": "interval",
    "timeout": "timeout",
    "start-period": "start_period",
    "start-interval": "start_interval",
}


def apply_changes(config: ImageConfig, lines: Iterable[str]) -> ImageConfig:
    """`lines` are read together, as the lines of a Dockerfile: one may hold several, and one may go on in the next.
    Raises `Invalid` naming the instruction that cannot be applied."""
    for line in _CONTINUED.sub("", "\n".join(lines)).splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            config = _apply(config, line)
    return config


def _apply(config: ImageConfig, line: str) -> ImageConfig:
    name, _, arguments = line.strip().partition(" ")
    instruction = _INSTRUCTIONS.get(name.upper())
    if instruction is None:
        raise Invalid(f"{name.upper()} is not a valid change command")
    if not arguments.strip():
        raise Invalid(f"{name.upper()} requires at least one argument")
    return instruction(config, arguments.strip())


def _cmd(config: ImageConfig, text: str) -> ImageConfig:
    return replace(config, cmd=_command(config, text))


def _entrypoint(config: ImageConfig, text: str) -> ImageConfig:
    return replace(config, entrypoint=_command(config, text))


def _env(config: ImageConfig, text: str) -> ImageConfig:
    """What is there already keeps its place."""
    values = _variables(config)
    added = {_expand(key, values): _expand(value, values) for key, value in _pairs("ENV", text).items()}
    return replace(config, env=tuple(f"{key}={value}" for key, value in (values | added).items()))


def _expose(config: ImageConfig, text: str) -> ImageConfig:
    text = _expand(text, _variables(config))
    ports = dict.fromkeys(config.exposed)
    for word in text.split():
        ports.update(dict.fromkeys(_ports(word)))
    return replace(config, exposed=tuple(ports))


def _label(config: ImageConfig, text: str) -> ImageConfig:
    text = _expand(text, _variables(config))
    return replace(config, labels={**config.labels, **_pairs("LABEL", text)})


def _on_build(config: ImageConfig, text: str) -> ImageConfig:
    return replace(config, on_build=(*config.on_build, text))


def _shell(config: ImageConfig, text: str) -> ImageConfig:
    words = _json_words(text)
    if not words:
        raise Invalid("SHELL requires the arguments to be in JSON form")
    return replace(config, shell=words)


def _stop_signal(config: ImageConfig, text: str) -> ImageConfig:
    text = _expand(text, _variables(config))
    return replace(config, stop_signal=text)


def _user(config: ImageConfig, text: str) -> ImageConfig:
    text = _expand(text, _variables(config))
    return replace(config, user=text)


def _volume(config: ImageConfig, text: str) -> ImageConfig:
    text = _expand(text, _variables(config))
    words = _json_words(text) or tuple(text.split())
    return replace(config, volumes=tuple(dict.fromkeys((*config.volumes, *words))))


def _workdir(config: ImageConfig, text: str) -> ImageConfig:
    text = _expand(text, _variables(config))
    base = "" if text.startswith("/") else f"{config.working_dir.rstrip('/')}/"
    return replace(config, working_dir=base + text)


def _health(config: ImageConfig, text: str) -> ImageConfig:
    if text.upper() == "NONE":
        return replace(config, health=HealthSpec(test=("NONE",)))
    durations: dict[str, int] = {}
    retries = 0
    while found := re.match(r"--([a-z-]+)=(\S+)\s+", text):
        text = text[found.end() :]
        if found[1] == "retries" and found[2].isdigit():
            retries = int(found[2])
        elif found[1] in _HEALTH_DURATIONS:
            durations[_HEALTH_DURATIONS[found[1]]] = _duration(found[2])
        else:
            raise Invalid(f"unknown flag: {found[1]}")
    kind, _, command = text.partition(" ")
    if kind.upper() != "CMD" or not command.strip():
        raise Invalid(f"unknown type {kind!r} in HEALTHCHECK (try CMD)")
    words = _json_words(command.strip())
    test = ("CMD", *words) if words else ("CMD-SHELL", command.strip())
    return replace(config, health=HealthSpec(test=test, retries=retries, **durations))


_INSTRUCTIONS: Mapping[str, Callable[[ImageConfig, str], ImageConfig]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _health,
    "LABEL": _label,
    "ONBUILD": _on_build,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}


def _command(config: ImageConfig, text: str) -> tuple[str, ...]:
    """The exec form is a JSON list; anything else is a line for the shell."""
    words = _json_words(text)
    return (*(config.shell or _SHELL), text) if words is None else words


def _json_words(text: str) -> tuple[str, ...] | None:
    try:
        return tuple(msgspec.json.decode(text, type=list[str]))
    except msgspec.DecodeError:
        return None


def _pairs(name: str, text: str) -> dict[str, str]:
    """`KEY=value "K2=v 2"` or the old form `KEY all the rest`."""
    first = text.split()[0]
    if "=" not in first:
        key, _, value = text.partition(" ")
        if not value.strip():
            raise Invalid(f"{name} must have two arguments")
        return {key: value.strip()}
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise Invalid(f"{name}: {error}") from error
    for word in words:
        if "=" not in word or word.startswith("="):
            raise Invalid(f"Syntax error - can't find = in {word!r}. Must be of the form: name=value")
    return dict(word.split("=", 1) for word in words)


def _variables(config: ImageConfig) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in config.env)


def _expand(text: str, values: Mapping[str, str]) -> str:
    """`$NAME`, `${NAME}`, `${NAME:-otherwise}` and `${NAME:+instead}`; `\\$` is a dollar."""

    def value(found: re.Match[str]) -> str:
        if found["plain"]:
            return found["plain"]
        known = values.get(found["name"] or found["braced"], "")
        if found["sign"] == "-":
            return known or found["word"]
        if found["sign"] == "+":
            return found["word"] if known else ""
        return known

    return _VARIABLE.sub(value, text)


def _ports(word: str) -> list[str]:
    found = _PORT.fullmatch(word.lower())
    if found is None:
        raise Invalid(f"invalid containerPort: {word}")
    first, last = int(found[1]), int(found[2] or found[1])
    if not 0 < first <= last < 65536:
        raise Invalid(f"invalid containerPort: {word}")
    return [f"{port}/{found[3] or 'tcp'}" for port in range(first, last + 1)]


def _duration(text: str) -> int:
    """A Go duration in ns: "1m30s"."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise Invalid(f"time: invalid duration {text!r}")
    return int(sum(float(number) * _UNITS[unit] for number, unit in parts))
