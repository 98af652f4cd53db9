"""The flags of `service create` and `service update`: what a service shall be."""

from __future__ import annotations

from collections.abc import Callable

import click

from fairlead.cli.flag_names import flag_names

Decorated = Callable[..., object]

TEXTS = (
    ("", "--endpoint-mode", "Endpoint mode (vip or dnsrr)"),
    ("", "--entrypoint", "Overwrite the default ENTRYPOINT of the image"),
    ("", "--health-cmd", "Command to run to check health"),
    ("", "--health-interval", "Time between running the check"),
    ("", "--health-start-interval", "Time between running the check during the start period"),
    ("", "--health-start-period", "Start period for the container to initialize"),
    ("", "--health-timeout", "Maximum time to allow one check to run"),
    ("", "--hostname", "Container hostname"),
    ("", "--isolation", "Service container isolation mode"),
    ("", "--limit-cpu", "Limit CPUs"),
    ("", "--limit-memory", "Limit Memory"),
    ("", "--log-driver", "Logging driver for service"),
    ("", "--reserve-cpu", "Reserve CPUs"),
    ("", "--reserve-memory", "Reserve Memory"),
    ("", "--restart-condition", 'Restart when condition is met ("none", "on-failure", "any")'),
    ("", "--restart-delay", "Delay between restart attempts (ns|us|ms|s|m|h)"),
    ("", "--restart-window", "Window used to evaluate the restart policy (ns|us|ms|s|m|h)"),
    ("", "--rollback-delay", "Delay between task rollbacks (ns|us|ms|s|m|h)"),
    ("", "--rollback-failure-action", 'Action on rollback failure ("pause", "continue")'),
    ("", "--rollback-monitor", "Duration after each task rollback to monitor for failure"),
    ("", "--rollback-order", 'Rollback order ("start-first", "stop-first")'),
    ("", "--stop-grace-period", "Time to wait before force killing a container (ns|us|ms|s|m|h)"),
    ("", "--stop-signal", "Signal to stop the container"),
    ("", "--update-delay", "Delay between updates (ns|us|ms|s|m|h)"),
    ("", "--update-failure-action", 'Action on update failure ("pause", "continue", "rollback")'),
    ("", "--update-monitor", "Duration after each task update to monitor for failure"),
    ("", "--update-order", 'Update order ("start-first", "stop-first")'),
    ("-u", "--user", "Username or UID (format: <name|uid>[:<group|gid>])"),
    ("-w", "--workdir", "Working directory inside the container"),
)

NUMBERS = (
    ("--health-retries", "Consecutive failures needed to report unhealthy"),
    ("--limit-pids", "Limit maximum number of processes"),
    ("--max-concurrent", "Number of job tasks to run concurrently (default equal to --replicas)"),
    ("--oom-score-adj", "Tune host's OOM preferences (-1000 to 1000)"),
    ("--replicas-max-per-node", "Maximum number of tasks per node (default 0 = unlimited)"),
    ("--restart-max-attempts", "Maximum number of restarts before giving up"),
    ("--rollback-parallelism", "Maximum number of tasks rolled back simultaneously (0 to roll back all at once)"),
    ("--update-parallelism", "Maximum number of tasks updated simultaneously (0 to update all at once)"),
)

RATIOS = (
    ("--rollback-max-failure-ratio", "Failure rate to tolerate during a rollback"),
    ("--update-max-failure-ratio", "Failure rate to tolerate during an update"),
)

CHOICES = (
    ("", "--init", "Use an init inside each service container to forward signals and reap processes"),
    ("", "--read-only", "Mount the container's root filesystem as read only"),
    ("-t", "--tty", "Allocate a pseudo-TTY"),
)
"""Yes, no, or left alone."""

SWITCHES = (
    ("", "--no-healthcheck", "Disable any container-specified HEALTHCHECK"),
    ("", "--no-resolve-image", "Do not query the registry to resolve image digest and supported platforms"),
    ("-q", "--quiet", "Suppress progress output"),
    ("", "--with-registry-auth", "Send registry authentication details to swarm agents"),
)

LISTS = (
    ("", "--config", "Specify configurations to expose to the service"),
    ("", "--constraint", "Placement constraints"),
    ("", "--container-label", "Container labels"),
    ("", "--dns", "Set custom DNS servers"),
    ("", "--dns-option", "Set DNS options"),
    ("", "--dns-search", "Set custom DNS search domains"),
    ("-e", "--env", "Set environment variables"),
    ("", "--generic-resource", "User defined resources"),
    ("", "--group", "Set one or more supplementary user groups for the container"),
    ("", "--host", "Set one or more custom host-to-IP mappings (host:ip)"),
    ("-l", "--label", "Service labels"),
    ("", "--log-opt", "Logging driver options"),
    ("", "--mount", "Attach a filesystem mount to the service"),
    ("", "--network", "Network attachments"),
    ("", "--placement-pref", "Placement preference"),
    ("-p", "--publish", "Publish a port as a node port"),
    ("", "--secret", "Specify secrets to expose to the service"),
    ("", "--sysctl", "Sysctl options"),
    ("", "--ulimit", "Ulimit options"),
)
"""What `create` takes under these names, and `update` with -add and -rm behind them."""

CAPABILITIES = (("--cap-add", "Add Linux capabilities"), ("--cap-drop", "Drop Linux capabilities"))


def create_flags(function: Decorated) -> Decorated:
    for short, long, help_text in LISTS:
        function = click.option(*flag_names(short, long), multiple=True, help=help_text)(function)
    function = click.option("--env-file", multiple=True, help="Read in a file of environment variables")(function)
    return _shared(function)


def update_flags(function: Decorated) -> Decorated:
    for _, long, help_text in LISTS:
        function = click.option(f"{long}-add", multiple=True, help=f"Add or update: {help_text.lower()}")(function)
        function = click.option(f"{long}-rm", multiple=True, help=f"Remove: {help_text.lower()}")(function)
    return _shared(function)


def _shared(function: Decorated) -> Decorated:
    for short, long, help_text in TEXTS:
        function = click.option(*flag_names(short, long), default=None, help=help_text)(function)
    for long, help_text in NUMBERS:
        function = click.option(long, type=int, default=None, help=help_text)(function)
    for long, help_text in RATIOS:
        function = click.option(long, type=float, default=None, help=help_text)(function)
    for short, long, help_text in CHOICES:
        both = f"{long}/--no-{long[2:]}"
        function = click.option(*flag_names(short, both), default=None, help=help_text)(function)
    for short, long, help_text in SWITCHES:
        function = click.option(*flag_names(short, long), is_flag=True, help=help_text)(function)
    for long, help_text in CAPABILITIES:
        function = click.option(long, multiple=True, help=help_text)(function)
    function = click.option("--replicas", default=None, help="Number of tasks")(function)
    detach = "Exit immediately instead of waiting for the service to converge"
    return click.option("-d", "--detach/--no-detach", "detach", default=False, help=detach)(function)
