"""Certificates, judged by openssl as well as by the authority itself."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from fairlead.effects.pki import reading
from fairlead.model.errors import Failed, Invalid, NotAllowed
from fairlead.model.swarm.cluster import HOUR
from fairlead.model.swarm.identity import Peer, Root, certificates
from tests.effects.pki.swarm import AUTHORITY, CLUSTER, MANAGING, QUARTER, WORKING, identity, now

ROOT = AUTHORITY.root(now())
OTHER = AUTHORITY.root(now())
YEAR = 365 * 24 * HOUR


def openssl(tmp_path: Path, certificate: str, trusted: str, *options: str) -> str:
    """What `openssl verify` says, in strict mode."""
    leaf, *between = certificates(certificate)
    files = {"leaf": leaf, "between": "".join(between) or leaf, "roots": trusted}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    said = subprocess.run(
        ["openssl", "verify", "-x509_strict", *options]
        + ["-CAfile", tmp_path / "roots", "-untrusted", tmp_path / "between", tmp_path / "leaf"],
        capture_output=True,
        text=True,
        timeout=20,
    )
    return said.stdout.strip().removeprefix(f"{tmp_path}/leaf: ") if said.returncode == 0 else said.stderr


# --- node certificates ----------------------------------------------------------------------------


@pytest.mark.parametrize("peer", [MANAGING, WORKING])
def test_a_certificate_speaks_of_its_node(peer: Peer, tmp_path: Path) -> None:
    made = identity(ROOT, peer).certificate
    assert AUTHORITY.verify(made, ROOT.certificate, now()) == peer
    subject = reading.certificate(made).subject.rfc4514_string()
    assert subject == f"CN={peer.node_id},OU=swarm-{peer.role},O={CLUSTER}"
    for purpose in ("sslserver", "sslclient"):
        for host in (f"swarm-{peer.role}", peer.node_id):
            assert openssl(tmp_path, made, ROOT.certificate, "-purpose", purpose, "-verify_hostname", host) == "OK"


def test_a_workers_certificate_does_not_name_a_manager(tmp_path: Path) -> None:
    made = identity(ROOT, WORKING).certificate
    assert "hostname mismatch" in openssl(tmp_path, made, ROOT.certificate, "-verify_hostname", "swarm-manager")


def test_an_issuer_is_told_by_its_subject_and_key(tmp_path: Path) -> None:
    subject, key = AUTHORITY.marks(ROOT.certificate)
    assert subject == AUTHORITY.marks(OTHER.certificate)[0]
    said = subprocess.run(
        ["openssl", "x509", "-noout", "-pubkey"], input=ROOT.certificate, capture_output=True, text=True, timeout=20
    )
    body = "".join(said.stdout.split("-----")[2].split())
    assert b64encode(key).decode() == body != b64encode(AUTHORITY.marks(OTHER.certificate)[1]).decode()


def test_a_certificate_begins_an_hour_ago_and_lasts_as_long_as_asked() -> None:
    at = 1_700_000_000 * reading.SECOND
    assert AUTHORITY.lifetime(identity(AUTHORITY.root(at), WORKING, at=at).certificate) == (at - HOUR, at + QUARTER)


def test_a_root_lasts_twenty_years() -> None:
    at = 1_700_000_000 * reading.SECOND
    assert AUTHORITY.lifetime(AUTHORITY.root(at).certificate) == (at - HOUR, at + 20 * YEAR)


def test_a_certificate_does_not_outlive_its_root() -> None:
    at = now() - 20 * YEAR + 24 * HOUR
    old = AUTHORITY.root(at)
    assert AUTHORITY.lifetime(identity(old, WORKING).certificate)[1] == AUTHORITY.lifetime(old.certificate)[1]


def test_a_certificate_shorter_than_an_hour_is_refused() -> None:
    with pytest.raises(Invalid, match="an hour at least, not for 3599 s"):
        identity(ROOT, WORKING, expiry=HOUR - reading.SECOND)


def test_an_expired_certificate_is_told_from_a_valid_one() -> None:
    made = identity(ROOT, WORKING, at=now() - 2 * HOUR, expiry=HOUR).certificate
    assert AUTHORITY.verify(made, ROOT.certificate) == WORKING
    with pytest.raises(NotAllowed, match="valid from .* UTC only"):
        AUTHORITY.verify(made, ROOT.certificate, now())


def test_another_authoritys_certificate_is_refused() -> None:
    with pytest.raises(NotAllowed, match="not signed by the swarm's authority"):
        AUTHORITY.verify(identity(OTHER, MANAGING).certificate, ROOT.certificate)


def test_a_node_is_no_authority() -> None:
    """Its key may well sign a certificate; nobody believes it."""
    node = identity(ROOT, WORKING)
    forged = identity(Root(node.certificate, node.key), MANAGING).certificate
    with pytest.raises(NotAllowed):
        AUTHORITY.verify(forged + node.certificate, ROOT.certificate)


def test_a_root_is_no_node() -> None:
    with pytest.raises(NotAllowed, match="not that of a node"):
        AUTHORITY.verify(ROOT.certificate, ROOT.certificate)


def test_nobody_signs_without_the_key() -> None:
    with pytest.raises(Failed, match="does not hold the key"):
        identity(Root(ROOT.certificate), WORKING)


# --- requests -------------------------------------------------------------------------------------


def test_a_requests_wishes_are_ignored() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "swarm-manager")])
    wish = x509.SubjectAlternativeName([x509.DNSName("swarm-manager"), x509.IPAddress(ip_address("10.0.0.1"))])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).add_extension(wish, critical=False)
    text = csr.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    made = reading.certificate(AUTHORITY.issue(ROOT, text, WORKING, now(), QUARTER))
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["swarm-worker", WORKING.node_id]
    assert names.get_values_for_type(x509.IPAddress) == []
    assert reading.peer_in(made) == WORKING


def test_a_request_with_another_kind_of_key_is_refused() -> None:
    key = rsa.generate_private_key(65537, 2048)
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    with pytest.raises(Invalid, match="P-256"):
        AUTHORITY.issue(ROOT, csr.public_bytes(serialization.Encoding.PEM).decode(), WORKING, now(), QUARTER)


@given(st.text())
def test_what_is_no_request_is_invalid(text: str) -> None:
    with pytest.raises(Invalid, match="not a certificate request"):
        AUTHORITY.issue(ROOT, text, WORKING, now(), QUARTER)


@given(st.text())
def test_what_is_no_certificate_is_invalid(text: str) -> None:
    with pytest.raises(Invalid, match="not a certificate"):
        AUTHORITY.verify(text, ROOT.certificate)


# --- the consensus --------------------------------------------------------------------------------


def test_a_member_of_the_consensus_has_names_of_its_own(tmp_path: Path) -> None:
    _, csr = AUTHORITY.request(["192.0.2.1", "2001:db8::1"])
    made = AUTHORITY.issue_consensus(ROOT, csr, MANAGING, now(), QUARTER)
    assert openssl(tmp_path, made, ROOT.certificate, "-verify_hostname", f"swarm-consensus.{CLUSTER}") == "OK"
    assert openssl(tmp_path, made, ROOT.certificate, "-verify_ip", "192.0.2.1") == "OK"
    assert openssl(tmp_path, made, ROOT.certificate, "-verify_ip", "2001:db8::1") == "OK"
    assert "mismatch" in openssl(tmp_path, made, ROOT.certificate, "-verify_hostname", "swarm-manager")


def test_a_member_of_the_consensus_does_not_pass_for_a_node() -> None:
    made = AUTHORITY.issue_consensus(ROOT, AUTHORITY.request()[1], MANAGING, now(), QUARTER)
    with pytest.raises(NotAllowed, match="OU=swarm-consensus .* not that of a node"):
        AUTHORITY.verify(made, ROOT.certificate)


def test_a_worker_has_no_seat_in_the_consensus() -> None:
    with pytest.raises(NotAllowed, match="no manager"):
        AUTHORITY.issue_consensus(ROOT, AUTHORITY.request()[1], WORKING, now(), QUARTER)


# --- rotation of the root -------------------------------------------------------------------------


def test_while_roots_change_nodes_of_either_believe_both(tmp_path: Path) -> None:
    rotated = replace(OTHER, cross=AUTHORITY.cross_sign(ROOT, OTHER, now()))
    made = identity(rotated, MANAGING).certificate
    both = ROOT.certificate + OTHER.certificate
    for trusted in (ROOT.certificate, OTHER.certificate, both):
        assert AUTHORITY.verify(made, trusted, now()) == MANAGING
        assert openssl(tmp_path, made, trusted, "-purpose", "sslserver") == "OK"
    assert AUTHORITY.verify(identity(ROOT, WORKING).certificate, both, now()) == WORKING


def test_after_a_rotation_the_old_root_is_worth_nothing() -> None:
    with pytest.raises(NotAllowed):
        AUTHORITY.verify(identity(ROOT, WORKING).certificate, OTHER.certificate)


def test_a_root_of_the_users_own_is_looked_at() -> None:
    AUTHORITY.examine(ROOT, now())
    node = identity(ROOT, WORKING)
    with pytest.raises(Invalid, match="not an authority's"):
        AUTHORITY.examine(Root(node.certificate, node.key), now())
    with pytest.raises(Invalid, match="key is not that of"):
        AUTHORITY.examine(Root(ROOT.certificate, OTHER.key), now())
    with pytest.raises(Invalid, match="expired on"):
        AUTHORITY.examine(ROOT, now() + 21 * YEAR)
    with pytest.raises(Invalid, match="not a CA key"):
        AUTHORITY.examine(Root(ROOT.certificate, "secret"), now())


def test_a_root_of_the_users_own_may_be_rsa(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=ours"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    root = Root(certificate.read_text(), key.read_text())
    AUTHORITY.examine(root, now())
    cross = AUTHORITY.cross_sign(ROOT, root, now())
    made = identity(replace(root, cross=cross), MANAGING).certificate
    assert AUTHORITY.verify(made, ROOT.certificate, now()) == MANAGING
    assert openssl(tmp_path, made, ROOT.certificate) == "OK"
