"""`TaskTemplate` as the API shows it, with the keys in the order of Docker's.

With `defaults`, what nobody asked for is shown as it will be done (`insertDefaults` of inspect).
"""

from __future__ import annotations

from fairlead.api.schema.container_views import healthcheck_json
from fairlead.api.schema.generic_resources import generic_json
from fairlead.api.schema.host_config_view import mount_json
from fairlead.api.schema.swarm_object import Json, given
from fairlead.model.swarm.template import (
    SECOND,
    ContainerTemplate,
    FileReference,
    Placement,
    Privileges,
    ResourceAmount,
    RestartPolicy,
    TaskTemplate,
)

STOP_GRACE = 10 * SECOND


def task_template_json(template: TaskTemplate, defaults: bool = False) -> Json:
    """A task's `Spec`; that of a service's template has its `Runtime` too."""
    shown: Json = {}
    if template.container is not None:
        shown["ContainerSpec"] = container_json(template.container, defaults)
    if template.attached_container:
        shown["NetworkAttachmentSpec"] = {"ContainerID": template.attached_container}
    shown["Resources"] = {
        "Limits": _amount_json(template.limits),
        "Reservations": _amount_json(template.reservations),
    }
    if defaults or template.restart != RestartPolicy():
        shown["RestartPolicy"] = _restart_json(template.restart, defaults)
    shown["Placement"] = _placement_json(template.placement)
    if template.networks:
        shown["Networks"] = [
            {"Target": one.target} | given({"Aliases": list(one.aliases), "DriverOpts": dict(one.driver_opts)})
            for one in template.networks
        ]
    if template.log_driver is not None:
        options = dict(template.log_driver.options)
        shown["LogDriver"] = given({"Name": template.log_driver.name, "Options": options})
    return shown | {"ForceUpdate": template.force_update}


def container_json(container: ContainerTemplate, defaults: bool = False) -> Json:
    shown = given(
        {
            "Image": container.image,
            "Labels": dict(container.labels),
            "Command": list(container.command),
            "Args": list(container.args),
            "Hostname": container.hostname,
            "Env": list(container.env),
            "Dir": container.dir,
            "User": container.user,
            "Groups": list(container.groups),
        }
    )
    if container.privileges is not None:
        shown["Privileges"] = _privileges_json(container.privileges)
    if container.init is not None:
        shown["Init"] = container.init
    shown |= given(
        {
            "StopSignal": container.stop_signal,
            "TTY": container.tty,
            "OpenStdin": container.open_stdin,
            "ReadOnly": container.read_only,
            "Mounts": [mount_json(mount) for mount in container.mounts],
        }
    )
    grace = STOP_GRACE if defaults and container.stop_grace is None else container.stop_grace
    if grace is not None:
        shown["StopGracePeriod"] = grace
    if container.health is not None:
        shown["Healthcheck"] = healthcheck_json(container.health)
    return shown | _surroundings_json(container)


def _surroundings_json(container: ContainerTemplate) -> Json:
    dns = container.dns
    names = {"Nameservers": list(dns.nameservers), "Search": list(dns.search), "Options": list(dns.options)}
    return (
        given({"Hosts": list(container.hosts)})
        | {"DNSConfig": given(names)}
        | given(
            {
                "Secrets": [_file_json(one, "Secret") for one in container.secrets],
                "Configs": [_file_json(one, "Config") for one in container.configs],
                "Isolation": "default",
                "Sysctls": dict(container.sysctls),
                "CapabilityAdd": list(container.cap_add),
                "CapabilityDrop": list(container.cap_drop),
                "Ulimits": [{"Name": one.name, "Hard": one.hard, "Soft": one.soft} for one in container.ulimits],
                "OomScoreAdj": container.oom_score_adj,
            }
        )
    )


def _file_json(one: FileReference, kind: str) -> Json:
    file: Json = {"Name": one.target, "UID": one.uid, "GID": one.gid, "Mode": one.mode}
    target: Json = {"Runtime": {}} if one.runtime else {"File": file}
    return target | {f"{kind}ID": one.object_id, f"{kind}Name": one.object_name}


def _amount_json(amount: ResourceAmount) -> Json:
    generic = generic_json(amount.generic.items(), [(kind, [name]) for kind, name in amount.named])
    return given(
        {
            "NanoCPUs": amount.nano_cpus,
            "MemoryBytes": amount.memory,
            "Pids": amount.pids,
            "GenericResources": generic,
        }
    )


def _privileges_json(privileges: Privileges) -> Json:
    labels = privileges.labels
    context = labels and {
        "Disable": labels.disable,
        "User": labels.user,
        "Role": labels.role,
        "Type": labels.type,
        "Level": labels.level,
    }
    return {"CredentialSpec": None, "SELinuxContext": context, "NoNewPrivileges": privileges.no_new_privileges}


def _restart_json(policy: RestartPolicy, defaults: bool) -> Json:
    delay = policy.pause if defaults else policy.delay
    shown: Json = {"Condition": policy.condition}
    shown |= {} if delay is None else {"Delay": delay}
    shown["MaxAttempts"] = policy.attempts
    return shown if policy.window is None else shown | {"Window": policy.window}


def _placement_json(placement: Placement) -> Json:
    return given(
        {
            "Constraints": list(placement.constraints),
            "Preferences": [{"Spread": {"SpreadDescriptor": one}} for one in placement.preferences],
            "MaxReplicas": placement.max_replicas,
            "Platforms": [given({"Architecture": one.architecture, "OS": one.os}) for one in placement.platforms],
        }
    )
