"""The flags of `run` and `create`: what a container shall be."""

from __future__ import annotations

from collections.abc import Callable

import click

from fairlead.cli.flag_names import flag_names

_LISTS = (
    ("-a", "--attach", "Attach to STDIN, STDOUT or STDERR"),
    ("", "--add-host", "Add a custom host-to-IP mapping (host:ip)"),
    ("", "--annotation", "Add an annotation to the container"),
    ("", "--cap-add", "Add Linux capabilities"),
    ("", "--cap-drop", "Drop Linux capabilities"),
    ("", "--device", "Add a host device to the container"),
    ("", "--device-cgroup-rule", "Add a rule to the cgroup allowed devices list"),
    ("", "--dns", "Set custom DNS servers"),
    ("", "--dns-option", "Set DNS options"),
    ("", "--dns-search", "Set custom DNS search domains"),
    ("-e", "--env", "Set environment variables"),
    ("", "--env-file", "Read in a file of environment variables"),
    ("", "--expose", "Expose a port or a range of ports"),
    ("", "--group-add", "Add additional groups to join"),
    ("-l", "--label", "Set meta data on a container"),
    ("", "--label-file", "Read in a line delimited file of labels"),
    ("", "--link", "Add link to another container"),
    ("", "--link-local-ip", "Container IPv4/IPv6 link-local addresses"),
    ("", "--log-opt", "Log driver options"),
    ("", "--mount", "Attach a filesystem mount to the container"),
    ("", "--network", "Connect a container to a network"),
    ("", "--network-alias", "Add network-scoped alias for the container"),
    ("-p", "--publish", "Publish a container's port(s) to the host"),
    ("", "--security-opt", "Security Options"),
    ("", "--storage-opt", "Storage driver options for the container"),
    ("", "--sysctl", "Sysctl options"),
    ("", "--tmpfs", "Mount a tmpfs directory"),
    ("", "--ulimit", "Ulimit options"),
    ("-v", "--volume", "Bind mount a volume"),
    ("", "--volumes-from", "Mount volumes from the specified container(s)"),
)

_TEXTS = (
    ("", "--cgroup-parent", "Optional parent cgroup for the container"),
    ("", "--cgroupns", "Cgroup namespace to use (host|private)"),
    ("", "--cidfile", "Write the container ID to the file"),
    ("", "--cpus", "Number of CPUs"),
    ("", "--cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)"),
    ("", "--cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)"),
    ("", "--domainname", "Container NIS domain name"),
    ("", "--entrypoint", "Overwrite the default ENTRYPOINT of the image"),
    ("", "--health-cmd", "Command to run to check health"),
    ("", "--health-interval", "Time between running the check"),
    ("", "--health-start-interval", "Time between running the check during the start period"),
    ("", "--health-start-period", "Start period for the container to initialize"),
    ("", "--health-timeout", "Maximum time to allow one check to run"),
    ("-h", "--hostname", "Container host name"),
    ("", "--ip", 'IPv4 address (e.g., "172.30.100.104")'),
    ("", "--ip6", 'IPv6 address (e.g., "2001:db8::33")'),
    ("", "--ipc", "IPC mode to use"),
    ("", "--log-driver", "Logging driver for the container"),
    ("", "--mac-address", 'Container MAC address (e.g., "92:d0:c6:0a:29:33")'),
    ("-m", "--memory", "Memory limit"),
    ("", "--memory-reservation", "Memory soft limit"),
    ("", "--memory-swap", "Swap limit equal to memory plus swap: '-1' to enable unlimited swap"),
    ("", "--name", "Assign a name to the container"),
    ("", "--pid", "PID namespace to use"),
    ("", "--platform", "Set platform if server is multi-platform capable"),
    ("", "--restart", "Restart policy to apply when a container exits"),
    ("", "--runtime", "Runtime to use for this container"),
    ("", "--shm-size", "Size of /dev/shm"),
    ("", "--stop-signal", "Signal to stop the container"),
    ("-u", "--user", 'Username or UID (format: "<name|uid>[:<group|gid>]")'),
    ("", "--userns", "User namespace to use"),
    ("", "--uts", "UTS namespace to use"),
    ("-w", "--workdir", "Working directory inside the container"),
)

_NUMBERS = (
    ("", "--blkio-weight", "Block IO (relative weight), between 10 and 1000, or 0 to disable"),
    ("", "--cpu-period", "Limit CPU CFS period"),
    ("", "--cpu-quota", "Limit CPU CFS quota"),
    ("-c", "--cpu-shares", "CPU shares (relative weight)"),
    ("", "--health-retries", "Consecutive failures needed to report unhealthy"),
    ("", "--oom-score-adj", "Tune host's OOM preferences (-1000 to 1000)"),
    ("", "--pids-limit", "Tune container pids limit (set -1 for unlimited)"),
)

_SWITCHES = (
    ("", "--init", "Run an init inside the container that forwards signals and reaps processes"),
    ("-i", "--interactive", "Keep STDIN open even if not attached"),
    ("", "--no-healthcheck", "Disable any container-specified HEALTHCHECK"),
    ("", "--oom-kill-disable", "Disable OOM Killer"),
    ("", "--privileged", "Give extended privileges to this container"),
    ("-P", "--publish-all", "Publish all exposed ports to random ports"),
    ("-q", "--quiet", "Suppress the pull output"),
    ("", "--read-only", "Mount the container's root filesystem as read only"),
    ("", "--rm", "Automatically remove the container when it exits"),
    ("-t", "--tty", "Allocate a pseudo-TTY"),
)

_ALIASES = {"--network": "--net", "--network-alias": "--net-alias", "--dns-option": "--dns-opt"}
_CHOICES = click.Choice(["always", "missing", "never"])

Decorated = Callable[..., object]


def create_flags(function: Decorated) -> Decorated:
    """Every flag that makes a container, as options of a command; see `create_body.Flags` for their names."""
    for short, long, text in _LISTS:
        function = click.option(*flag_names(short, long, _ALIASES.get(long, "")), multiple=True, help=text)(function)
    for short, long, text in _TEXTS:
        function = click.option(*flag_names(short, long), default="", help=text)(function)
    for short, long, text in _NUMBERS:
        function = click.option(*flag_names(short, long), type=int, default=None, help=text)(function)
    for short, long, text in _SWITCHES:
        function = click.option(*flag_names(short, long), is_flag=True, help=text)(function)
    function = click.option("--memory-swappiness", type=int, default=-1, help="Tune memory swappiness (0 to 100)")(
        function
    )
    function = click.option("--stop-timeout", type=int, default=None, help="Seconds to wait before killing it")(
        function
    )
    return click.option("--pull", type=_CHOICES, default="missing", help="Pull image before running")(function)
