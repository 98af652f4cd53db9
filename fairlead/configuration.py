"""From dockerd's flags and `daemon.json` to a `DaemonConfig`.

Both say the same things under the same names. A setting may come from either, but not from both: which one was
meant cannot be known. Settings of dockerd that Fairlead does not have are refused by name; those whose only
sensible value is how Fairlead works anyway (`live-restore: true`) are accepted with that value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TypeVar

from fairlead.model.config import (
    BALANCERS,
    EVERY_IPV4,
    NFT,
    AddressPool,
    DaemonConfig,
    DefaultBridge,
    Registries,
    TlsFiles,
)
from fairlead.model.errors import Invalid
from fairlead.model.network import Address

DEFAULT_FILE = Path("/etc/fairlead/daemon.json")
LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")
MIN_MTU, MAX_MTU = 68, 65535

T = TypeVar("T")
Settings = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its key in `daemon.json`, its flag, and how many values it takes.

    `kind` is "text", "number", "switch", "list" or "pools".
    """

    key: str
    flag: str
    kind: str
    text: str
    short: str = ""


SETTINGS = (
    Setting("hosts", "--host", "list", "Where to listen: unix://PATH or tcp://ADDRESS:PORT", "-H"),
    Setting("data-root", "--data-root", "text", "Directory of everything that outlives a reboot"),
    Setting("exec-root", "--exec-root", "text", "Directory of everything that does not outlive a reboot"),
    Setting("pidfile", "--pidfile", "text", "File for the daemon's process id", "-p"),
    Setting("bip", "--bip", "text", "Address of the default bridge, with its prefix"),
    Setting("bridge", "--bridge", "text", 'Attach containers to this existing bridge; "none" for no default', "-b"),
    Setting("fixed-cidr", "--fixed-cidr", "text", "IPv4 range of containers on the default bridge"),
    Setting("fixed-cidr-v6", "--fixed-cidr-v6", "text", "IPv6 range of containers on the default bridge"),
    Setting("default-gateway", "--default-gateway", "text", "IPv4 gateway of the default bridge"),
    Setting("default-gateway-v6", "--default-gateway-v6", "text", "IPv6 gateway of the default bridge"),
    Setting("default-address-pools", "--default-address-pool", "pools", "Pool for networks: base=CIDR,size=BITS"),
    Setting("dns", "--dns", "list", "DNS server of containers"),
    Setting("dns-opts", "--dns-opt", "list", "DNS option of containers"),
    Setting("dns-search", "--dns-search", "list", "DNS search domain of containers"),
    Setting("icc", "--icc", "switch", "Let containers on the default bridge reach each other"),
    Setting("ip", "--ip", "text", "Default address for published ports"),
    Setting("ip-masq", "--ip-masq", "switch", "Masquerade what leaves the default bridge"),
    Setting("ipv6", "--ipv6", "switch", "IPv6 on the default bridge"),
    Setting("mtu", "--mtu", "number", "MTU of the default bridge"),
    Setting("host-gateway-ip", "--host-gateway-ip", "text", 'Address that "host-gateway" in --add-host stands for'),
    Setting("labels", "--label", "list", "Label of this daemon: key=value"),
    Setting(
        "node-generic-resources",
        "--node-generic-resource",
        "list",
        "What services may reserve: KIND=NUMBER or KIND=NAME",
    ),
    Setting(
        "swarm-default-advertise-addr",
        "--swarm-default-advertise-addr",
        "text",
        "Address or interface where other nodes of a swarm find this one",
    ),
    Setting("registry-mirrors", "--registry-mirror", "list", "URL that Docker Hub's images are asked of first"),
    Setting("insecure-registries", "--insecure-registry", "list", "Registry that may have any certificate or none"),
    Setting("log-level", "--log-level", "text", "debug, info, warn, error or fatal", "-l"),
    Setting("debug", "--debug", "switch", "Log everything", "-D"),
    Setting("hostname", "--hostname", "text", "What this host calls itself"),
    Setting("fairlead-balancer", "--fairlead-balancer", "text", "What leads to virtual addresses: nft or ipvs"),
    Setting("tls", "--tls", "switch", "TLS on tcp:// sockets; implied by --tlsverify"),
    Setting("tlsverify", "--tlsverify", "switch", "TLS, and clients must show a certificate of the CA"),
    Setting("tlscacert", "--tlscacert", "text", "Trust certificates signed only by this CA"),
    Setting("tlscert", "--tlscert", "text", "TLS certificate file"),
    Setting("tlskey", "--tlskey", "text", "TLS key file"),
    Setting("live-restore", "--live-restore", "switch", "Always so: containers outlive the daemon"),
    Setting("userland-proxy", "--userland-proxy", "switch", "Accepted either way: no port needs a process"),
    Setting("iptables", "--iptables", "switch", "Only true: the packet filter is what publishes ports"),
    Setting("ip6tables", "--ip6tables", "switch", "Only true, as --iptables"),
    Setting("ip-forward", "--ip-forward", "switch", "Turn on the forwarding of packets between interfaces"),
)
_FIXED = {"live-restore": True, "iptables": True, "ip6tables": True}


def from_file(path: Path, required: bool) -> Settings:
    """The settings in `daemon.json`; none when the file is not there and nobody asked for it."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        if required:
            raise Invalid(f"unable to configure the daemon with file {path}: no such file") from None
        return {}
    try:
        settings = json.loads(text or "{}")
    except ValueError as error:
        raise Invalid(f"unable to configure the daemon with file {path}: {error}") from None
    if not isinstance(settings, dict):
        raise Invalid(f"unable to configure the daemon with file {path}: it must hold one JSON object")
    _check_file(path, settings)
    return settings


def _check_file(path: Path, settings: Settings) -> None:
    known = {setting.key: setting for setting in SETTINGS}
    if unknown := sorted(set(settings) - set(known)):
        raise Invalid(
            f"unable to configure the daemon with file {path}: "
            f"the following directives don't match any configuration option: {', '.join(unknown)}"
        )
    kinds: dict[str, type] = {"text": str, "number": int, "switch": bool, "list": list, "pools": list}
    for key, value in settings.items():
        wanted = kinds[known[key].kind]
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise Invalid(
                f"unable to configure the daemon with file {path}: {key} must be {known[key].kind}, not {value!r}"
            )


def merge(flags: Settings, file: Settings, path: Path) -> Settings:
    """Flags and file together. Raises `Invalid` for a setting that stands in both."""
    shared = sorted({*flags} & {*file})
    if shared:
        both = (f"{key}: (from flag: {_shown(flags[key])}, from file: {_shown(file[key])})" for key in shared)
        raise Invalid(
            f"unable to configure the daemon with file {path}: the following directives are specified both as a flag "
            f"and in the configuration file: {', '.join(both)}"
        )
    return {**file, **flags}


def _shown(value: object) -> str:
    return json.dumps(value) if isinstance(value, list | tuple | bool) else str(value)


def resolve(settings: Settings, system_hostname: str) -> DaemonConfig:
    """Check every setting and give the rest their defaults. Raises `Invalid` naming the wrong one."""
    read = _Reader(settings)
    _refuse_fixed(settings)
    default = DaemonConfig()
    exec_root = Path(read.text("exec-root") or default.exec_root)
    counted, named = _generic_resources(read.words("node-generic-resources"))
    return DaemonConfig(
        hosts=_hosts(read.words("hosts")) or (f"unix://{exec_root}/fairlead.sock",),
        data_root=Path(read.text("data-root") or default.data_root),
        exec_root=exec_root,
        pidfile=Path(read.text("pidfile") or exec_root / "fairlead.pid"),
        tls=_tls(read),
        bridge=_bridge(read),
        address_pools=_pools(settings.get("default-address-pools", ())),
        dns=tuple(_address(server, "dns") for server in read.words("dns")),
        dns_options=read.words("dns-opts"),
        dns_search=read.words("dns-search"),
        publish_address=read.parsed("ip", ip_address) or EVERY_IPV4,
        ip_masq=read.switch("ip-masq", True),
        host_gateway=read.parsed("host-gateway-ip", ip_address),
        ip_forward=read.switch("ip-forward", True),
        labels=_labels(read.words("labels")),
        generic_resources=counted,
        named_resources=named,
        swarm_advertise=read.text("swarm-default-advertise-addr"),
        registries=Registries(_mirrors(read.words("registry-mirrors")), _insecure(read.words("insecure-registries"))),
        log_level=_log_level(read),
        hostname=read.text("hostname") or system_hostname,
        balancer=_balancer(read),
    )


class _Reader:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def text(self, key: str) -> str:
        return str(self._settings.get(key) or "")

    def switch(self, key: str, default: bool) -> bool:
        value = self._settings.get(key)
        return default if value is None else bool(value)

    def words(self, key: str) -> tuple[str, ...]:
        value = self._settings.get(key) or ()
        assert isinstance(value, list | tuple)
        return tuple(str(item) for item in value)

    def parsed(self, key: str, parse: Callable[[str], T]) -> T | None:
        """The setting through `parse`, None if it is not set."""
        text = self.text(key)
        if not text:
            return None
        try:
            return parse(text)
        except ValueError as error:
            raise Invalid(f"invalid value {text!r} for --{key}: {error}") from None


def _refuse_fixed(settings: Settings) -> None:
    for key, only in _FIXED.items():
        given = settings.get(key, only)
        if given is not only:
            asked, always = (f"--{key}={str(value).lower()}" for value in (given, only))
            raise Invalid(f"{asked} is not supported: Fairlead always works with {always}")


def _hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    for host in hosts:
        scheme, separator, rest = host.partition("://")
        if scheme == "tcp":
            _check_tcp(host, rest)
        elif not (scheme == "unix" and separator and rest.startswith("/")):
            raise Invalid(f"invalid bind address ({host}): it should be unix:///PATH or tcp://ADDRESS:PORT")
    return hosts


def _check_tcp(host: str, rest: str) -> None:
    _, _, port = rest.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise Invalid(f"invalid bind address ({host}): it should be tcp://ADDRESS:PORT")


def _tls(read: _Reader) -> TlsFiles | None:
    verify = read.switch("tlsverify", False)
    if not verify and not read.switch("tls", False):
        return None
    home = Path("/etc/fairlead")
    return TlsFiles(
        ca=Path(read.text("tlscacert") or home / "ca.pem"),
        cert=Path(read.text("tlscert") or home / "cert.pem"),
        key=Path(read.text("tlskey") or home / "key.pem"),
        verify=verify,
    )


def _bridge(read: _Reader) -> DefaultBridge:
    name = read.text("bridge")
    if name and read.text("bip"):
        raise Invalid("You specified -b & --bip, mutually exclusive options. Please specify only one")
    default = DefaultBridge()
    bridge = DefaultBridge(
        name=name or default.name,
        own=not name,
        bip=read.parsed("bip", _interface),
        fixed_cidr=read.parsed("fixed-cidr", IPv4Network),
        fixed_cidr6=read.parsed("fixed-cidr-v6", IPv6Network),
        gateway=read.parsed("default-gateway", IPv4Address),
        gateway6=read.parsed("default-gateway-v6", IPv6Address),
        ipv6=read.switch("ipv6", False),
        icc=read.switch("icc", True),
        mtu=_mtu(read),
    )
    _check_bridge(bridge)
    return bridge


def _interface(text: str) -> IPv4Interface:
    if "/" not in text:
        raise ValueError("the address needs its prefix length, such as 10.0.0.1/24")
    interface = IPv4Interface(text)
    if interface.ip == interface.network.network_address and interface.network.prefixlen < 31:
        raise ValueError(f"{interface.ip} is the address of the network, not of a host")
    return interface


def _check_bridge(bridge: DefaultBridge) -> None:
    if bridge.bip is None:
        return
    subnet = bridge.bip.network
    if bridge.fixed_cidr is not None and not bridge.fixed_cidr.subnet_of(subnet):
        raise Invalid(f"invalid value '{bridge.fixed_cidr}' for --fixed-cidr: it lies outside --bip {bridge.bip}")
    if bridge.gateway is not None and bridge.gateway not in subnet:
        raise Invalid(f"invalid value '{bridge.gateway}' for --default-gateway: it lies outside --bip {bridge.bip}")


def _mtu(read: _Reader) -> int:
    mtu = int(read.text("mtu") or DefaultBridge().mtu)
    if not MIN_MTU <= mtu <= MAX_MTU:
        raise Invalid(f"invalid value {mtu} for --mtu: it should be between {MIN_MTU} and {MAX_MTU}")
    return mtu


def _pools(given: object) -> tuple[AddressPool, ...]:
    assert isinstance(given, list | tuple)
    return tuple(_pool_of_file(item) if isinstance(item, dict) else _pool_of_flag(str(item)) for item in given)


def _pool_of_file(item: Mapping[str, object]) -> AddressPool:
    return _pool(str(item.get("base", "")), str(item.get("size", "")))


def _pool_of_flag(text: str) -> AddressPool:
    parts = dict(part.partition("=")[::2] for part in text.split(","))
    if set(parts) != {"base", "size"}:
        raise Invalid(f"invalid value {text!r} for --default-address-pool: it should be base=CIDR,size=BITS")
    return _pool(parts["base"], parts["size"])


def _pool(base: str, size: str) -> AddressPool:
    try:
        pool = AddressPool(ip_network(base), int(size))
    except ValueError as error:
        raise Invalid(f"invalid default address pool base={base},size={size}: {error}") from None
    if not pool.base.prefixlen <= pool.size <= pool.base.max_prefixlen:
        raise Invalid(
            f"invalid default address pool base={base},size={size}: "
            f"the size must be between {pool.base.prefixlen} and {pool.base.max_prefixlen}"
        )
    return pool


def _address(text: str, key: str) -> Address:
    try:
        return ip_address(text)
    except ValueError:
        raise Invalid(f"invalid value {text!r} for --{key}: IP address is not correctly formatted: {text}") from None


def _labels(labels: tuple[str, ...]) -> tuple[str, ...]:
    for label in labels:
        if "=" not in label:
            raise Invalid(f"bad attribute format: {label}: a daemon's label is key=value")
    return labels


def _generic_resources(
    given: tuple[str, ...],
) -> tuple[tuple[tuple[str, int], ...], tuple[tuple[str, tuple[str, ...]], ...]]:
    """Those that are counted and those with names, by kind. One number is an amount; all else are names."""
    found: dict[str, list[str]] = {}
    for text in (part for words in given for part in words.split(",")):
        kind, separator, value = (part.strip() for part in text.partition("="))
        if not (kind and separator and value) or "=" in value:
            raise Invalid(f"invalid value {text!r} for --node-generic-resource: it should be KIND=NUMBER or KIND=NAME")
        if value in found.setdefault(kind, []):
            raise Invalid(f"invalid value {text!r} for --node-generic-resource: {kind} is given twice")
        found[kind].append(value)
    counted = {kind: int(values[0]) for kind, values in found.items() if len(values) == 1 and _is_amount(values[0])}
    return tuple(counted.items()), tuple((kind, tuple(names)) for kind, names in found.items() if kind not in counted)


def _is_amount(value: str) -> bool:
    if value.removeprefix("-").isdecimal():
        if value.startswith("-"):
            raise Invalid(f"invalid value {value!r} for --node-generic-resource: there cannot be less than none")
        return True
    return False


def _mirrors(given: tuple[str, ...]) -> tuple[str, ...]:
    for url in given:
        scheme, _, rest = url.partition("://")
        if scheme not in ("http", "https") or not rest.strip("/") or any(mark in rest for mark in "?#@ "):
            raise Invalid(f"invalid mirror: {url!r} is no URL such as https://mirror.example.com")
    return given


def _insecure(given: tuple[str, ...]) -> tuple[str, ...]:
    for name in given:
        if "://" in name or not name or ("/" in name and not _is_network(name)):
            raise Invalid(f"insecure registry {name!r} is not valid: it should be HOST, HOST:PORT or a CIDR")
    return given


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _balancer(read: _Reader) -> str:
    name = read.text("fairlead-balancer") or NFT
    if name not in BALANCERS:
        raise Invalid(f"invalid value {name!r} for --fairlead-balancer: it should be {' or '.join(BALANCERS)}")
    return name


def _log_level(read: _Reader) -> str:
    level = read.text("log-level") or ("debug" if read.switch("debug", False) else "info")
    if level not in LOG_LEVELS:
        raise Invalid(f"invalid logging level {level!r}: it should be one of {', '.join(LOG_LEVELS)}")
    return level
