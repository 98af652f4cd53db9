"""hosts, hostname and resolv.conf of containers: when they are written, and from what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from fairlead.core.dns import hosts, resolv
from fairlead.core.dns.hosts import HostsLine
from fairlead.core.dns.resolv import ResolvConf, SandboxResolvConf, Setting, Wishes
from fairlead.engine.fabric.legacy_links import Link
from fairlead.engine.ports import EtcFiles
from fairlead.model.config import DaemonConfig
from fairlead.model.container import Container
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import Invalid
from fairlead.model.ids import short
from fairlead.model.network import Address

HOSTS, HOSTNAME, RESOLV_CONF = "hosts", "hostname", "resolv.conf"
_HOST_HOSTS = "/etc/hosts"


@dataclass(frozen=True, slots=True)
class Written:
    """Paths of a container's files, and what it is called."""

    hosts: str
    hostname_path: str
    resolv_conf: str
    hostname: str
    domainname: str


class Etc:
    def __init__(self, config: DaemonConfig, files: EtcFiles) -> None:
        self._config = config
        self._files = files

    # --- names of the host's and the container's own ----------------------------------------------

    def hostname(self, container: Container, shared: bool) -> str:
        """What the container calls itself: as asked, else the host's name where it shares the host's network."""
        asked = container.spec.network.hostname
        return asked or (self._config.hostname if shared else short(container.id))

    def write(
        self, container: Container, setting: Setting, lines: Sequence[HostsLine], resolv_conf: SandboxResolvConf
    ) -> Written:
        """Write all three files for a container that starts."""
        shared = setting is Setting.SHARED
        hostname = self.hostname(container, shared)
        own = self._files.of_host(_HOST_HOSTS) if shared and not container.spec.network.extra_hosts else ""
        return Written(
            hosts=self._files.write(container.id, HOSTS, own or hosts.hosts_text(lines)),
            hostname_path=self._files.write(container.id, HOSTNAME, hosts.hostname_text(hostname)),
            resolv_conf=self._files.write(container.id, RESOLV_CONF, resolv_conf.text),
            hostname=hostname,
            domainname=container.spec.network.domainname,
        )

    def written(self, container: Container, shared: bool) -> Written:
        """Where the files of a running container lie."""
        return Written(
            hosts=self._files.path(container.id, HOSTS),
            hostname_path=self._files.path(container.id, HOSTNAME),
            resolv_conf=self._files.path(container.id, RESOLV_CONF),
            hostname=self.hostname(container, shared),
            domainname=container.spec.network.domainname,
        )

    # --- hosts ------------------------------------------------------------------------------------

    def extra_lines(self, container: Container, host_gateway: Sequence[Address]) -> list[HostsLine]:
        """The lines of `--add-host`. Raises Invalid for a bad one."""
        return hosts.extra_lines(container.spec.network.extra_hosts, self._config_gateway() or host_gateway)

    def linked_lines(self, links: Iterable[Link]) -> list[HostsLine]:
        return [HostsLine(link.address, link.names) for link in links]

    def own_lines(self, container: Container, endpoints: Iterable[Endpoint]) -> list[HostsLine]:
        """One line for each of the container's addresses."""
        hostname = self.hostname(container, shared=False)
        addresses = (address.ip for endpoint in endpoints if not endpoint.egress for address in endpoint.addresses)
        return [hosts.own_line(address, hostname, container.spec.network.domainname) for address in addresses]

    def add_lines(self, container: Container, endpoint: Endpoint) -> None:
        text = self._files.read(container.id, HOSTS)
        self._files.write(container.id, HOSTS, hosts.with_lines(text, self.own_lines(container, [endpoint])))

    def drop_lines(self, container: Container, endpoint: Endpoint) -> None:
        text = self._files.read(container.id, HOSTS)
        self._files.write(container.id, HOSTS, hosts.without_lines(text, self.own_lines(container, [endpoint])))

    def drop_links(self, container: Container, links: Iterable[Link]) -> None:
        text = self._files.read(container.id, HOSTS)
        self._files.write(container.id, HOSTS, hosts.without_lines(text, self.linked_lines(links)))

    def _config_gateway(self) -> tuple[Address, ...]:
        return (self._config.host_gateway,) if self._config.host_gateway else ()

    def hosts_text(self, container: Container | None) -> str:
        """What a container's hosts file says now, or with None the host's."""
        return self._files.read(container.id, HOSTS) if container else self._files.of_host(_HOST_HOSTS)

    # --- resolv.conf ------------------------------------------------------------------------------

    def resolv_text(self, container: Container | None) -> str:
        """What a container's resolv.conf says now, or with None the host's."""
        return self._files.read(container.id, RESOLV_CONF) if container else self._files.of_host(resolv.HOST_FILE)

    def resolv_conf(self, container: Container, setting: Setting, ipv6: bool) -> SandboxResolvConf:
        """What the container's resolv.conf says, and whom its resolver asks."""
        source, host = self._host_resolv_conf(setting)
        return resolv.build(host, self.wishes(container), setting, ipv6=ipv6, source=source)

    def replace_resolv_conf(self, container: Container, before: Setting, after: SandboxResolvConf, ipv6: bool) -> None:
        """Bring the file of a running container up to date, unless somebody has changed it."""
        now = self._files.read(container.id, RESOLV_CONF)
        if now != after.text and now == self.resolv_conf(container, before, ipv6).text:
            self._files.write(container.id, RESOLV_CONF, after.text)

    def _host_resolv_conf(self, setting: Setting) -> tuple[str, ResolvConf]:
        """The host's file, or the one behind systemd-resolved's stub, which answers only on the host itself."""
        host = resolv.parse(self._files.of_host(resolv.HOST_FILE))
        if host.only_stub and setting is not Setting.SHARED:
            behind = self._files.of_host(resolv.BEHIND_STUB)
            if behind:
                return resolv.BEHIND_STUB, resolv.parse(behind)
        return resolv.HOST_FILE, host

    def wishes(self, container: Container) -> Wishes:
        """The container's wishes, heading by heading, else the daemon's. Raises Invalid for a server that is none."""
        asked, config = container.spec.network, self._config
        return Wishes(
            tuple(_server(text) for text in asked.dns) or config.dns,
            asked.dns_search or config.dns_search,
            asked.dns_options or config.dns_options,
        )


def _server(text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError:
        raise Invalid(f"invalid nameserver address: {text}") from None
