"""`fairlead`: docker's verbs for those without the docker CLI, and Fairlead's own.

A thin client: it knows the API and nothing of the engine. Commands load on demand, so that a short question
gets a short answer.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from fairlead.cli.client import Client
from fairlead.cli.command import LazyGroup
from fairlead.cli.endpoint import TlsChoice, certificates, choose_endpoint
from fairlead.cli.faults import Fault

_COMMANDS = "fairlead.cli.commands"

MEMBERS = {
    **{verb: f"{_COMMANDS}.run:{verb}" for verb in ("run", "create")},
    **{
        verb: f"{_COMMANDS}.lifecycle:{verb}"
        for verb in ("stop", "restart", "kill", "rm", "rename", "pause", "unpause", "wait")
    },
    **{verb: f"{_COMMANDS}.interact:{verb}" for verb in ("start", "attach")},
    **{verb: f"{_COMMANDS}.look:{verb}" for verb in ("logs", "top", "port", "diff")},
    "ps": f"{_COMMANDS}.ps:ps",
    "exec": f"{_COMMANDS}.exec:exec_",
    "inspect": f"{_COMMANDS}.inspect:inspect",
    "stats": f"{_COMMANDS}.stats:stats",
    "cp": f"{_COMMANDS}.copy:cp",
    "events": f"{_COMMANDS}.events:events",
    **{verb: f"{_COMMANDS}.transfer:{verb}" for verb in ("pull", "push", "load", "save")},
    "import": f"{_COMMANDS}.transfer:import_",
    **{verb: f"{_COMMANDS}.images:{verb}" for verb in ("images", "tag", "rmi", "history")},
    **{verb: f"{_COMMANDS}.system:{verb}" for verb in ("info", "version")},
    **{group: f"{_COMMANDS}.groups:{group}" for group in ("container", "image", "network", "volume", "system")},
    **{group: f"{_COMMANDS}.groups:{group}" for group in ("swarm", "node", "service", "secret", "config")},
    "doctor": "fairlead.cli.doctor:doctor",
    "exposure": f"{_COMMANDS}.exposure:exposure",
    "trace": f"{_COMMANDS}.trace:trace",
    "daemon": "fairlead.daemon_command:daemon_command",
    "lab": "fairlead.lab.command:lab",
    "sim": "fairlead.sim.command:sim",
}


class Root(LazyGroup):
    def __init__(self) -> None:
        super().__init__("fairlead", MEMBERS, "A container network engine for Linux that serves the Docker Engine API.")
        self.params = [
            click.Option(["-H", "--host"], default="", help="Daemon socket to connect to"),
            click.Option(["--tls"], is_flag=True, help="Use TLS; implied by --tlsverify"),
            click.Option(["--tlsverify"], is_flag=True, help="Use TLS and verify the daemon"),
            click.Option(["--tlscacert"], default="", help="Trust certificates signed only by this CA"),
            click.Option(["--tlscert"], default="", help="Path to the client's certificate"),
            click.Option(["--tlskey"], default="", help="Path to the client's key"),
        ]

    def invoke(self, ctx: click.Context) -> object:
        chosen = ctx.params
        tls = None
        if chosen["tls"] or chosen["tlsverify"]:
            files = chosen["tlscacert"], chosen["tlscert"], chosen["tlskey"]
            tls = TlsChoice(chosen["tlsverify"], Path(certificates()), *files)
        ctx.obj = Client(choose_endpoint(chosen["host"], tls))
        return super().invoke(ctx)


def main() -> None:
    """The program: runs the command line and leaves with docker's exit statuses."""
    try:
        Root().main(standalone_mode=False, prog_name="fairlead")
    except Fault as fault:
        if fault.text:
            click.echo(fault.text, err=True)
        sys.exit(fault.status)
    except click.ClickException as error:
        click.echo(f"fairlead: {error.format_message()}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        click.echo(f"fairlead: {error.strerror or error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
