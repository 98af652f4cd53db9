"""`fairlead daemon`: dockerd's flags, `daemon.json`, and what follows from the two."""

from __future__ import annotations

import gc
import socket
from pathlib import Path

import click

from fairlead import configuration
from fairlead.configuration import Setting
from fairlead.model.errors import Refusal


def _option(setting: Setting) -> click.Option:
    names = [setting.flag, setting.key.replace("-", "_"), *filter(None, [setting.short])]
    if setting.kind == "switch":
        return click.Option(names, is_flag=False, flag_value="true", type=click.BOOL, help=setting.text)
    kind = click.INT if setting.kind == "number" else click.STRING
    return click.Option(names, type=kind, multiple=setting.kind in ("list", "pools"), help=setting.text)


def _daemon(config_file: str, validate: bool, **flags: object) -> None:
    """Run the engine on this host"""
    given = {key.replace("_", "-"): value for key, value in flags.items() if value not in (None, ())}
    path = Path(config_file or configuration.DEFAULT_FILE)
    try:
        settings = configuration.merge(given, configuration.from_file(path, bool(config_file)), path)
        config = configuration.resolve(settings, socket.gethostname())
    except Refusal as refusal:
        raise click.ClickException(refusal.message) from refusal
    if validate:
        click.echo("configuration OK")
        return
    # The daemon's rooms are loaded only now: asking for help or checking settings needs none of them. Until it answers
    # nothing is garbage, and looking for some would be a tenth of the time.
    gc.disable()
    from fairlead.daemon import run

    raise SystemExit(run(config))


daemon_command = click.Command(
    "daemon",
    callback=_daemon,
    help=_daemon.__doc__,
    params=[
        click.Option(["--config-file"], default="", help=f"Settings (default {configuration.DEFAULT_FILE})"),
        click.Option(["--validate"], is_flag=True, help="Check the settings and end"),
        *map(_option, configuration.SETTINGS),
    ],
)
