"""From a task to its container, and the files that it is given."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from ipaddress import ip_interface

import pytest

from fairlead.core.swarm.task_container import container_spec, grace
from fairlead.core.swarm.task_files import Known, missing, task_files
from fairlead.model.container import Mount, Ulimit
from fairlead.model.endpoint import EndpointSpec, PortRequest
from fairlead.model.errors import Invalid
from fairlead.model.runtime import PrivateFile
from fairlead.model.swarm.attachment import Attachment
from fairlead.model.swarm.endpoint import EndpointSpec as ServiceEndpointSpec
from fairlead.model.swarm.endpoint import PortConfig, ServiceEndpoint
from fairlead.model.swarm.files import Config, FileSpec, Secret
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task
from fairlead.model.swarm.template import (
    SECOND,
    ContainerTemplate,
    DnsConfig,
    FileReference,
    LogDriver,
    Privileges,
    ResourceAmount,
    TaskTemplate,
)
from tests.core.swarm import builders

NODE = builders.node("n1")
NETS = {"net1": builders.network("net1"), "net2": replace(builders.network("host"), id="net2", driver="host")}


def task(container: ContainerTemplate | None = None, slot: int = 3, **template: object) -> Task:
    service = builders.service("web", template=TaskTemplate(container or ContainerTemplate("busybox"), **template))  # type: ignore[arg-type]
    return builders.task("t1", service, slot, state=TaskState.ASSIGNED)


def test_every_field_of_the_template_reaches_the_container() -> None:
    template = ContainerTemplate(
        "busybox:1",
        command=("sh", "-c"),
        args=("top",),
        hostname="{{.Service.Name}}-{{.Task.Slot}}",
        env=("A={{.Task.Name}}", "B=2"),
        dir="/srv",
        user="nobody",
        groups=("adm",),
        labels={"own": "1"},
        tty=True,
        open_stdin=True,
        read_only=True,
        init=True,
        mounts=(Mount("volume", "/data", "data-{{.Task.Slot}}"),),
        stop_signal="SIGINT",
        stop_grace=1_500_000_000,
        hosts=("10.0.0.1 db database",),
        dns=DnsConfig(("1.1.1.1",), ("lab",), ("ndots:2",)),
        sysctls={"net.core.somaxconn": "1"},
        cap_add=("NET_ADMIN",),
        cap_drop=("CHOWN",),
        ulimits=(Ulimit("nofile", 1, 2),),
        oom_score_adj=5,
        privileges=Privileges(no_new_privileges=True),
    )
    made = task(
        template,
        reservations=ResourceAmount(memory=10 << 20),
        limits=ResourceAmount(SECOND, 20 << 20, 9),
        log_driver=LogDriver("local", {"max-size": "1m"}),
    )
    spec = container_spec(made, NODE, {})
    assert (spec.image, spec.entrypoint, spec.cmd) == ("busybox:1", ("sh", "-c"), ("top",))
    assert spec.network.hostname == "web-3"
    assert spec.env == ("A=web.3.t1", "B=2")
    assert spec.mounts[0].source == "data-3"
    assert spec.network.extra_hosts == ("db:10.0.0.1", "database:10.0.0.1")
    assert (spec.network.dns, spec.network.dns_search, spec.network.dns_options) == (
        ("1.1.1.1",),
        ("lab",),
        ("ndots:2",),
    )
    assert spec.security_opt == ("no-new-privileges",)
    resources = spec.resources
    assert (resources.memory, resources.memory_reservation) == (20 << 20, 10 << 20)
    assert (resources.nano_cpus, resources.pids, resources.ulimits) == (SECOND, 9, template.ulimits)
    assert (spec.log_driver, spec.log_options) == ("local", {"max-size": "1m"})
    assert (spec.user, spec.working_dir, spec.group_add) == ("nobody", "/srv", ("adm",))
    assert (spec.tty, spec.open_stdin, spec.read_only, spec.init) == (True, True, True, True)
    assert (spec.stop_signal, grace(made)) == ("SIGINT", 2)
    assert (spec.cap_add, spec.cap_drop, spec.oom_score_adj) == (("NET_ADMIN",), ("CHOWN",), 5)
    assert spec.sysctls == {"net.core.somaxconn": "1"}
    assert (spec.restart.name, spec.task_id) == ("no", "t1")


def test_a_task_is_told_what_it_has_of_its_nodes_generic_resources() -> None:
    reserved = ResourceAmount(generic={"gpu": 2})
    made = container_spec(task(ContainerTemplate("busybox", env=("A=1",)), reservations=reserved), NODE, NETS)
    assert made.env == ("A=1", "DOCKER_RESOURCE_GPU=2")
    named = replace(task(ContainerTemplate("busybox"), reservations=reserved), resources={"gpu": ("uuid1", "uuid3")})
    assert container_spec(named, NODE, NETS).env == ("DOCKER_RESOURCE_GPU=uuid1,uuid3",)


def test_the_labels_by_which_a_task_is_known() -> None:
    labels = container_spec(task(ContainerTemplate("x", labels={"own": "1"})), NODE, {}).labels
    assert labels == {
        "own": "1",
        "com.docker.swarm.node.id": "n1",
        "com.docker.swarm.service.id": "web",
        "com.docker.swarm.service.name": "web",
        "com.docker.swarm.task": "",
        "com.docker.swarm.task.id": "t1",
        "com.docker.swarm.task.name": "web.3.t1",
    }


def test_networks_by_id_with_the_addresses_that_were_allocated() -> None:
    address = ip_interface("10.0.1.5/24")
    made = replace(task(), attachments=(Attachment("net1", (address,), ("alias",)),))
    network = container_spec(made, NODE, NETS).network
    assert (network.mode, dict(network.endpoints)) == ("default", {"net1": EndpointSpec(ipv4="10.0.1.5")})
    assert container_spec(task(), NODE, NETS).network.endpoints == {}


def test_a_network_that_every_host_has_is_meant_by_name() -> None:
    network = container_spec(replace(task(), attachments=(Attachment("net2"),)), NODE, NETS).network
    assert (network.mode, list(network.endpoints)) == ("host", ["host"])


def test_only_ports_in_host_mode_are_the_nodes_own() -> None:
    ports = (PortConfig(80, 8080, mode="host"), PortConfig(53, protocol="udp", mode="host"), PortConfig(90, 90))
    endpoint = ServiceEndpoint(ServiceEndpointSpec(ports=ports))
    network = container_spec(replace(task(), endpoint=endpoint), NODE, {}).network
    assert network.ports == (PortRequest(80, "tcp", "", (8080, 8080)), PortRequest(53, "udp", "", (0, 0)))
    assert network.exposed == ("80/tcp", "53/udp")


# --- files ------------------------------------------------------------------------------------------


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


KNOWN = Known(
    {"s1": Secret("s1", FileSpec("pass", encoded("hush")))},
    {
        "c1": Config("c1", FileSpec("site", encoded("plain {{.Task.Slot}}"))),
        "c2": Config(
            "c2", FileSpec("tmpl", encoded('{{.Task.Slot}} {{env "A"}} {{secret "pass"}}'), templating="golang")
        ),
    },
)


def with_files(secrets: tuple[FileReference, ...] = (), configs: tuple[FileReference, ...] = ()) -> Task:
    return task(ContainerTemplate("x", env=("A=b",), secrets=secrets, configs=configs))


def test_secrets_lie_under_run_secrets_and_configs_in_the_root() -> None:
    made = with_files(
        (FileReference("s1", "pass", "pass", "33", "34", 0o400), FileReference("s1", "pass", "/etc/pass")),
        (FileReference("c1", "site", "site.conf"),),
    )
    assert task_files(made, NODE, KNOWN) == (
        PrivateFile("/run/secrets/pass", b"hush", 33, 34, 0o400),
        PrivateFile("/etc/pass", b"hush"),
        PrivateFile("/site.conf", b"plain {{.Task.Slot}}"),
    )


def test_a_template_reaches_environment_and_other_files() -> None:
    made = with_files((FileReference("s1", "pass", "pass"),), (FileReference("c2", "tmpl", "/t"),))
    assert task_files(made, NODE, KNOWN)[1].data == b"3 b hush"


def test_a_file_that_the_node_was_not_told_yet_is_missed() -> None:
    made = with_files((FileReference("s1", "pass", "pass"),))
    assert not missing(made, KNOWN)
    assert missing(made, Known({}, {}))


def test_an_owner_must_be_a_number() -> None:
    with pytest.raises(Invalid, match="uid must be a number"):
        task_files(with_files((FileReference("s1", "pass", "pass", uid="www"),)), NODE, KNOWN)
