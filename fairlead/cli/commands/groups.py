"""Groups whose commands live in other modules, most of them under two names as docker has them."""

from __future__ import annotations

from fairlead.cli.command import LazyGroup

_HERE = "fairlead.cli.commands"

container = LazyGroup(
    "container",
    {
        **{verb: f"{_HERE}.run:{verb}" for verb in ("run", "create")},
        **{verb: f"{_HERE}.lifecycle:{verb}" for verb in ("stop", "restart", "kill", "rm", "rename", "pause")},
        **{verb: f"{_HERE}.lifecycle:{verb}" for verb in ("unpause", "wait")},
        **{verb: f"{_HERE}.interact:{verb}" for verb in ("start", "attach")},
        **{verb: f"{_HERE}.look:{verb}" for verb in ("logs", "top", "port", "diff")},
        "ls": f"{_HERE}.ps:ps",
        "exec": f"{_HERE}.exec:exec_",
        "inspect": f"{_HERE}.containers:inspect",
        "prune": f"{_HERE}.containers:prune",
        "export": f"{_HERE}.containers:export",
        "update": f"{_HERE}.containers:update",
        "stats": f"{_HERE}.stats:stats",
        "cp": f"{_HERE}.copy:cp",
    },
    "Manage containers",
)

image = LazyGroup(
    "image",
    {
        **{verb: f"{_HERE}.transfer:{verb}" for verb in ("pull", "push", "load", "save")},
        **{verb: f"{_HERE}.images:{verb}" for verb in ("tag", "history", "inspect", "prune")},
        "import": f"{_HERE}.transfer:import_",
        "ls": f"{_HERE}.images:images",
        "rm": f"{_HERE}.images:rmi",
    },
    "Manage images",
)

network = LazyGroup(
    "network",
    {
        **{verb: f"{_HERE}.network:{verb}" for verb in ("ls", "inspect", "connect", "disconnect", "rm", "prune")},
        "create": f"{_HERE}.network_create:create",
    },
    "Manage networks",
)

volume = LazyGroup(
    "volume",
    {verb: f"{_HERE}.volume:{verb}" for verb in ("create", "ls", "inspect", "rm", "prune")},
    "Manage volumes",
)

system = LazyGroup(
    "system",
    {
        "info": f"{_HERE}.system:info",
        "df": f"{_HERE}.usage:df",
        "prune": f"{_HERE}.usage:prune",
        "events": f"{_HERE}.events:events",
    },
    "Manage Fairlead",
)

swarm = LazyGroup(
    "swarm",
    {
        **{verb: f"{_HERE}.swarm:{verb}" for verb in ("init", "join", "leave", "update", "ca", "unlock")},
        "join-token": f"{_HERE}.swarm:join_token",
        "unlock-key": f"{_HERE}.swarm:unlock_key",
    },
    "Manage Swarm",
)

node = LazyGroup(
    "node",
    {verb: f"{_HERE}.node:{verb}" for verb in ("ls", "inspect", "ps", "update", "promote", "demote", "rm")},
    "Manage Swarm nodes",
)

service = LazyGroup(
    "service",
    {
        **{verb: f"{_HERE}.service:{verb}" for verb in ("ls", "ps", "inspect", "rm", "logs")},
        **{verb: f"{_HERE}.service_change:{verb}" for verb in ("create", "update", "rollback", "scale")},
    },
    "Manage Swarm services",
)

_FILE_VERBS = ("create", "ls", "inspect", "rm")

secret = LazyGroup(
    "secret", {verb: f"{_HERE}.swarm_files:secret_{verb}" for verb in _FILE_VERBS}, "Manage Swarm secrets"
)

config = LazyGroup(
    "config", {verb: f"{_HERE}.swarm_files:config_{verb}" for verb in _FILE_VERBS}, "Manage Swarm configs"
)
