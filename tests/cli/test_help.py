"""`--help` of every command: each says in one line what it does, and of each option what it is for."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from fairlead.cli.main import Root

WIDTH = 80


def tree(command: click.Command, context: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    yield context.command_path, command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            member = command.get_command(context, name)
            assert member is not None, name
            yield from tree(member, click.Context(member, parent=context, info_name=name, terminal_width=WIDTH))


ROOT = Root()
COMMANDS = list(tree(ROOT, click.Context(ROOT, info_name="fairlead", terminal_width=WIDTH)))


@pytest.mark.parametrize(("path", "command", "context"), COMMANDS, ids=[path for path, _, _ in COMMANDS])
def test_every_command_explains_itself(path: str, command: click.Command, context: click.Context) -> None:
    assert (command.help or "").strip(), f"{path} does not say what it is for"
    silent = [each.opts[0] for each in command.params if isinstance(each, click.Option) and not each.help]
    assert not silent, f"{path} does not explain {', '.join(silent)}"
    cut = [line for line in command.get_help(context).splitlines() if line.rstrip().endswith("...") and line[:1] == " "]
    assert not cut, f"{path} --help cuts lines off:\n" + "\n".join(cut)
