"""docker's manners on top of click: `--flag=false`, its usage messages and exit statuses; groups that load late."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TypeVar

import click

from fairlead.cli.client import Client
from fairlead.cli.faults import USAGE, Fault

F = TypeVar("F", bound=Callable[..., object])

_TRUE, _FALSE = ("true", "1", "t"), ("false", "0", "f")

pass_client = click.make_pass_decorator(Client)


class Flags:
    """The values of a command with many flags, by name and type."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def words(self, name: str) -> list[str]:
        """Of a flag that may be repeated."""
        value = self._values.get(name)
        return [str(word) for word in value] if isinstance(value, tuple) else []

    def text(self, name: str) -> str:
        value = self._values[name]
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int:
        value = self._values[name]
        return value if isinstance(value, int) else 0

    def optional(self, name: str) -> int | None:
        """A number for which 0 is not the same as nothing."""
        value = self._values[name]
        return value if isinstance(value, int) else None

    def given(self, name: str) -> bool:
        """A switch that is on."""
        return self._values[name] is True

    def value(self, name: str) -> object:
        """As it was given; None when it was not, or when the command has no such flag."""
        return self._values.get(name)

    def choice(self, name: str) -> bool | None:
        """A switch that may be left alone."""
        value = self._values[name]
        return value if isinstance(value, bool) else None


class DockerCommand(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, self._without_values(ctx, args))
        except click.NoSuchOption as error:
            raise self._usage(ctx, f"unknown flag: {error.option_name}", USAGE) from error
        except click.MissingParameter as error:
            raise self._usage(ctx, self._wrong_count(ctx)) from error
        except click.BadParameter as error:
            flag = error.param.opts[-1] if error.param else ""
            raise self._usage(ctx, f'invalid argument for "{flag}" flag: {error.message}', USAGE) from error
        except click.UsageError as error:
            extra = "unexpected extra argument" in error.message.lower()
            raise self._usage(ctx, self._wrong_count(ctx) if extra else error.message, 1 if extra else USAGE) from error

    def _without_values(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Turn `--flag=true` of a switch into `--flag`, and `--flag=false` into its opposite or nothing."""
        switches = {name: option for option in self.params if _is_switch(option) for name in option.opts}
        given: list[str] = []
        for at, arg in enumerate(args):
            name, separator, value = arg.partition("=")
            if arg == "--" or (not ctx.allow_interspersed_args and not arg.startswith("-") and self._is_free(args, at)):
                return given + args[at:]
            if separator and name in switches:
                given += self._switched(ctx, switches[name], name, value.lower())
            else:
                given.append(arg)
        return given

    def _is_free(self, args: list[str], at: int) -> bool:
        """Whether a word without a dash stands for itself rather than being the value of the option before it."""
        before = args[at - 1] if at else ""
        if not before.startswith("-") or "=" in before:
            return True
        takers = [name for option in self.params if not _is_switch(option) for name in option.opts]
        return before not in takers and not any(
            len(name) == 2 and not before.startswith("--") and before.endswith(name[1]) for name in takers
        )

    def _switched(self, ctx: click.Context, option: click.Parameter, name: str, value: str) -> list[str]:
        if value in _TRUE:
            return [name]
        if value in _FALSE:
            return option.secondary_opts[:1]
        reason = f'strconv.ParseBool: parsing "{value}": invalid syntax'
        raise self._usage(ctx, f'invalid argument "{value}" for "{name}" flag: {reason}', USAGE)

    def _wrong_count(self, ctx: click.Context) -> str:
        arguments = [parameter for parameter in self.params if isinstance(parameter, click.Argument)]
        least = sum(argument.required for argument in arguments)
        fixed = all(argument.nargs == 1 and argument.required for argument in arguments)
        count = f"{'' if fixed else 'at least '}{least} argument{'' if least == 1 else 's'}"
        if not arguments:
            count = "no arguments"
        verb = "accepts" if not arguments else "requires"
        return f"fairlead: '{ctx.command_path}' {verb} {count}"

    def _usage(self, ctx: click.Context, text: str, status: int = 1) -> Fault:
        usage = " ".join(self.collect_usage_pieces(ctx))
        more = f"Run '{ctx.command_path} --help' for more information"
        return Fault(f"{text}\n\nUsage:  {ctx.command_path} {usage}\n\n{more}", status)


def _is_switch(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option) and parameter.is_flag


def command(
    name: str,
    help: str,  # noqa: A002 - click's own word
    words_follow: bool = False,
) -> Callable[[Callable[..., object]], DockerCommand]:
    """A command in docker's manners. `words_follow`: what comes after its first argument is another's."""
    manners = {"help_option_names": ["--help"], "allow_interspersed_args": not words_follow}

    def make(function: Callable[..., object]) -> DockerCommand:
        return click.command(name, cls=DockerCommand, help=help, context_settings=manners)(function)

    return make


class LazyGroup(click.Group):
    """`members` maps a command's name to "module:attribute"; a module is imported when its command is used."""

    def __init__(self, name: str, members: Mapping[str, str], help: str) -> None:  # noqa: A002 - click's own word
        super().__init__(name, help=help, context_settings={"help_option_names": ["--help"]})
        self._members = members

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._members)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        where = self._members.get(cmd_name)
        if where is None:
            raise Fault(
                f"fairlead: unknown command: {ctx.command_path} {cmd_name}\n\n"
                f"Run '{ctx.command_path} --help' for more information"
            )
        module, _, attribute = where.partition(":")
        found = getattr(import_module(module), attribute)
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What a command does is said whole, on two lines if need be."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, each.get_short_help_str(limit=formatter.width * 2)) for name, each in found if each is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def on_each(names: tuple[str, ...], action: Callable[[str], object]) -> None:
    """Do it for each, print the name of each that succeeded and the reason of each that did not.

    An action that returns False found nothing to do, and its name is not printed.
    """
    reasons: list[str] = []
    for name in names:
        try:
            done = action(name)
        except Fault as fault:
            reasons.append(fault.text)
        else:
            if done is not False:
                click.echo(name)
    if reasons:
        raise Fault("\n".join(reasons))


def filters_query(given: tuple[str, ...]) -> str:
    """From `--filter name=value` to the API's parameter. Raises `Fault` for one without "="."""
    filters: dict[str, list[str]] = {}
    for term in given:
        name, separator, value = term.partition("=")
        if not separator:
            raise Fault("bad format of filter (expected name=value)", USAGE)
        filters.setdefault(name.strip().lower(), []).append(value.strip())
    return json.dumps(filters) if filters else ""


def ask(force: bool, warning: str) -> None:
    """Go on only if the user agrees."""
    if force:
        return
    click.echo(f"{warning}\nAre you sure you want to continue? [y/N] ", nl=False)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Fault("")
