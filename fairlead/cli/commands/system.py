"""`version` and `info`."""

from __future__ import annotations

import click

from fairlead import __version__
from fairlead.cli.client import API, Client
from fairlead.cli.command import command, pass_client
from fairlead.cli.faults import NoDaemon
from fairlead.cli.fields import Json, flag, mapping, number, objects, text, texts
from fairlead.cli.format.template import Template
from fairlead.cli.format.units import BINARY, size


@command("version", help="Show the version of the client and of the daemon")
@click.option("-f", "--format", "template", default="", help="Go template or 'json'")
@pass_client
def version(client: Client, template: str) -> None:
    import platform  # only here, and it is slow to import

    own: Json = {
        "Version": __version__,
        "ApiVersion": API[2:],
        "PythonVersion": platform.python_version(),
        "Os": "linux",
        "Arch": platform.machine(),
    }
    server: Json | None = None
    failure: NoDaemon | None = None
    try:
        server = client.get_object("/version")
    except NoDaemon as fault:
        failure = fault
    if template:
        source = "{{json .}}" if template == "json" else template
        click.echo(Template(source, strict=True).render({"Client": own, "Server": server}))
    else:
        click.echo(_versions(own, server), nl=False)
    if failure:
        raise failure


def _versions(own: Json, server: Json | None) -> str:
    lines = ["Client: Fairlead"]
    lines += [
        _line("Version", text(own, "Version")),
        _line("API version", text(own, "ApiVersion")),
        _line("Python version", text(own, "PythonVersion")),
        _line("OS/Arch", f"{text(own, 'Os')}/{text(own, 'Arch')}"),
    ]
    if server is None:
        return "\n".join(lines) + "\n"
    lines += ["", f"Server: {text(server, 'Platform', 'Name')}"]
    for component in objects(server, "Components"):
        lines += [f" {text(component, 'Name')}:", _line(" Version", text(component, "Version"))]
        details = mapping(component, "Details")
        if "ApiVersion" in details:
            lines.append(
                _line(
                    " API version", f"{text(details, 'ApiVersion')} (minimum version {text(details, 'MinAPIVersion')})"
                )
            )
            lines.append(_line(" OS/Arch", f"{text(details, 'Os')}/{text(details, 'Arch')}"))
            lines.append(_line(" Kernel version", text(details, "KernelVersion")))
    return "\n".join(lines) + "\n"


def _line(name: str, value: str) -> str:
    return f" {name + ':':<18}{value}"


@command("info", help="Show what the daemon is and holds")
@click.option("-f", "--format", "template", default="", help="Go template or 'json'")
@pass_client
def info(client: Client, template: str) -> None:
    answer = client.get_object("/info")
    if template:
        source = "{{json .}}" if template == "json" else template
        click.echo(Template(source, strict=True).render(answer))
        return
    click.echo("\n".join(_info_lines(answer)))
    for warning in texts(answer, "Warnings"):
        click.echo(warning, err=True)


def _info_lines(answer: Json) -> list[str]:
    plugins = mapping(answer, "Plugins")
    facts = [
        ("Containers", number(answer, "Containers")),
        (" Running", number(answer, "ContainersRunning")),
        (" Paused", number(answer, "ContainersPaused")),
        (" Stopped", number(answer, "ContainersStopped")),
        ("Images", number(answer, "Images")),
        ("Server Version", text(answer, "ServerVersion")),
        ("Storage Driver", text(answer, "Driver")),
        *((f" {pair[0]}", pair[1]) for pair in _pairs(answer)),
        ("Logging Driver", text(answer, "LoggingDriver")),
        ("Cgroup Driver", text(answer, "CgroupDriver")),
        ("Cgroup Version", text(answer, "CgroupVersion")),
        ("Plugins", ""),
        (" Volume", " ".join(texts(plugins, "Volume"))),
        (" Network", " ".join(texts(plugins, "Network"))),
        (" Log", " ".join(texts(plugins, "Log"))),
        ("Swarm", text(answer, "Swarm", "LocalNodeState")),
        ("Runtimes", " ".join(mapping(answer, "Runtimes"))),
        ("Default Runtime", text(answer, "DefaultRuntime")),
        ("Security Options", ""),
        *((f"  {option}", None) for option in texts(answer, "SecurityOptions")),
        ("Kernel Version", text(answer, "KernelVersion")),
        ("Operating System", text(answer, "OperatingSystem")),
        ("OSType", text(answer, "OSType")),
        ("Architecture", text(answer, "Architecture")),
        ("CPUs", number(answer, "NCPU")),
        ("Total Memory", size(number(answer, "MemTotal"), 4, BINARY)),
        ("Name", text(answer, "Name")),
        ("ID", text(answer, "ID")),
        ("Docker Root Dir", text(answer, "DockerRootDir")),
        ("Debug Mode", str(flag(answer, "Debug")).lower()),
        ("Firewall Backend", text(answer, "FirewallBackend", "Driver")),
        ("Live Restore Enabled", str(flag(answer, "LiveRestoreEnabled")).lower()),
    ]
    return [f" {name}" if value is None else f" {name}: {value}".rstrip() for name, value in facts]


def _pairs(answer: Json) -> list[list[str]]:
    status = answer.get("DriverStatus")
    return [pair for pair in status if isinstance(pair, list) and len(pair) == 2] if isinstance(status, list) else []
