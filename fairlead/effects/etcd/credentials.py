"""The member's certificate where etcd can read it: under the exec root, which no reboot and no stolen disk keeps."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from fairlead.model.errors import Invalid
from fairlead.model.swarm.consensus import ConsensusFiles


class Credentials:
    """Files in `folder`. Certificate and key are one file: etcd reads both at each handshake, and must never see the
    one without the other."""

    def __init__(self, folder: Path) -> None:
        self.pem = folder / "consensus.pem"
        self.trust = folder / "consensus-trust.pem"

    def write(self, files: ConsensusFiles) -> bool:
        """True when the trust changed: etcd reads that only when it starts."""
        _replace(self.pem, f"{files.certificate.rstrip()}\n{files.key}")
        if self.trust.exists() and self.trust.read_text() == files.trust:
            return False
        _replace(self.trust, files.trust)
        return True

    def clear(self) -> None:
        self.pem.unlink(missing_ok=True)
        self.trust.unlink(missing_ok=True)

    def context(self) -> ssl.SSLContext:
        """To meet another member as this one."""
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(self.trust))
        context.load_cert_chain(self.pem)
        return context


def common_name(files: ConsensusFiles) -> str:
    """The DNS name that the certificates of all members of this consensus carry."""
    try:
        certificate = x509.load_pem_x509_certificate(files.certificate.encode())
        names = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise Invalid(f"the consensus certificate cannot be used: {error}") from None
    assert isinstance(names, x509.SubjectAlternativeName)
    found = names.get_values_for_type(x509.DNSName)
    if not found:
        raise Invalid("the consensus certificate has no DNS name by which members know each other")
    return found[0]


def _replace(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.rename(path)
