"""Flags and daemon.json: dockerd's names, dockerd's refusals."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from fairlead import configuration
from fairlead.model.config import AddressPool
from fairlead.model.errors import Invalid


def test_defaults_derive_from_exec_root() -> None:
    config = configuration.resolve({"exec-root": "/run/other"}, "node1")
    assert config.hosts == ("unix:///run/other/fairlead.sock",)
    assert config.pidfile == Path("/run/other/fairlead.pid")
    assert config.hostname == "node1"


def test_lab_19(tmp_path: Path) -> None:
    file = tmp_path / "daemon.json"
    pools = [{"base": "10.100.0.0/16", "size": 24}]
    given = {"bip": "10.99.0.1/24", "fixed-cidr": "10.99.0.128/25", "icc": False, "mtu": 1400}
    file.write_text(json.dumps({**given, "dns": ["192.168.50.1"], "default-address-pools": pools}))
    config = configuration.resolve(configuration.from_file(file, required=True), "node1")
    assert config.bridge.bip == IPv4Interface("10.99.0.1/24")
    assert config.bridge.fixed_cidr == IPv4Network("10.99.0.128/25")
    assert (config.bridge.icc, config.bridge.mtu) == (False, 1400)
    assert config.dns == (IPv4Address("192.168.50.1"),)
    assert config.address_pools == (AddressPool(IPv4Network("10.100.0.0/16"), 24),)


def test_a_pool_as_a_flag() -> None:
    config = configuration.resolve({"default-address-pools": ["base=fd00:1::/48,size=64"]}, "node1")
    assert str(config.address_pools[0].base) == "fd00:1::/48"


def test_the_same_in_both_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        Invalid, match=r"specified both as a flag and in the configuration file: mtu: \(from flag: 1400"
    ):
        configuration.merge({"mtu": 1400}, {"mtu": 1500}, tmp_path / "daemon.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"foo": 1}', "the following directives don't match any configuration option: foo"),
        ('{"mtu": "1400"}', "mtu must be number, not '1400'"),
        ('{"mtu": true}', "mtu must be number"),
        ("[]", "it must hold one JSON object"),
        ("{", "unable to configure the daemon with file"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "daemon.json"
    file.write_text(text)
    with pytest.raises(Invalid, match=words):
        configuration.from_file(file, required=True)


def test_only_a_file_that_was_asked_for_has_to_be_there(tmp_path: Path) -> None:
    assert configuration.from_file(tmp_path / "no.json", required=False) == {}
    with pytest.raises(Invalid, match="no such file"):
        configuration.from_file(tmp_path / "no.json", required=True)


def test_generic_resources_are_counted_or_have_names() -> None:
    config = configuration.resolve({"node-generic-resources": ["gpu=UUID1", "gpu=UUID2,ssd=3", "fpga=7a"]}, "node1")
    assert config.generic_resources == (("ssd", 3),)
    assert config.named_resources == (("gpu", ("UUID1", "UUID2")), ("fpga", ("7a",)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"hosts": ["http://x"]},
            r"invalid bind address \(http://x\): it should be unix:///PATH or tcp://ADDRESS:PORT",
        ),
        ({"hosts": ["tcp://1.2.3.4:99999"]}, "invalid bind address"),
        ({"bridge": "br0", "bip": "10.0.0.1/24"}, "You specified -b & --bip, mutually exclusive options"),
        ({"bip": "10.0.0.1"}, "invalid value '10.0.0.1' for --bip: the address needs its prefix length"),
        ({"bip": "10.0.0.0/24"}, "is the address of the network, not of a host"),
        ({"bip": "10.0.0.1/24", "fixed-cidr": "10.1.0.0/25"}, "--fixed-cidr: it lies outside --bip"),
        ({"bip": "10.0.0.1/24", "default-gateway": "10.1.0.1"}, "--default-gateway: it lies outside --bip"),
        ({"mtu": 9}, "invalid value 9 for --mtu: it should be between 68 and 65535"),
        ({"dns": ["foo"]}, "IP address is not correctly formatted: foo"),
        ({"labels": ["foo"]}, "bad attribute format: foo"),
        ({"node-generic-resources": ["gpu"]}, "it should be KIND=NUMBER"),
        ({"node-generic-resources": ["gpu=-1"]}, "there cannot be less than none"),
        ({"node-generic-resources": ["gpu=a", "gpu=a"]}, "gpu is given twice"),
        ({"registry-mirrors": ["mirror.example"]}, "invalid mirror: 'mirror.example' is no URL"),
        ({"insecure-registries": ["http://a"]}, "insecure registry 'http://a' is not valid"),
        ({"log-level": "loud"}, "invalid logging level 'loud'"),
        ({"fairlead-balancer": "lvs"}, "invalid value 'lvs' for --fairlead-balancer: it should be nft or ipvs"),
        ({"iptables": False}, "--iptables=false is not supported"),
        ({"default-address-pools": ["base=10.0.0.0/16,size=8"]}, "the size must be between 16 and 32"),
        ({"default-address-pools": ["10.0.0.0/16"]}, "it should be base=CIDR,size=BITS"),
    ],
)
def test_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        configuration.resolve(settings, "node1")
