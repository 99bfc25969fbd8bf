"""Certificates of a test's own authority, in files, and clients that trust it."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from pipeline.base.tls.files import TlsFiles


class Authority:
    """A certificate authority with its certificate at `ca`; issued certificates are written to `folder`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.folder = folder
        self.ca = folder / f"{name}-ca.pem"
        self._ca = trustme.CA(organization_name=name)
        self._ca.cert_pem.write_to_path(str(self.ca))

    def issue(
        self,
        name: str,
        *,
        common_name: str | None = None,
        is_rsa: bool = False,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> tuple[Path, Path]:
        """The files of a new certificate for this machine and its key, named after `name`; replaces old files."""
        kind = trustme.KeyType.RSA if is_rsa else trustme.KeyType.ECDSA
        issued = self._ca.issue_cert(
            "127.0.0.1",
            common_name=common_name,
            key_type=kind,
            not_before=not_before or datetime.now(UTC) - timedelta(days=1),
            not_after=not_after,
        )
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        for file, data in ((key, issued.private_key_pem.bytes()), (certificate, issued.cert_chain_pems[0].bytes())):
            new = file.with_suffix(".new")
            new.write_bytes(data)
            new.replace(file)
        return certificate, key

    def files(self, name: str = "server", client_ca: Path | None = None, *, requires: bool = False) -> TlsFiles:
        """The files of a server's certificate from this authority."""
        return TlsFiles("listener.tls", *self.issue(name), client_ca, requires)

    def trusting(self, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
        """A client that trusts this authority, with or without its own certificate."""
        context = ssl.create_default_context(cafile=self.ca)
        if certificate is not None:
            context.load_cert_chain(certificate, key)
        return context
