"""Certificate files → a server's context, or an error that names the setting, the file and the problem.

TLS 1.2 or later. A key with a passphrase is refused, because nobody can enter it.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from pipeline.base.errors import ConfigError
from pipeline.base.tls.validity import Validity, validity_of_pem
from store.host_time import is_set
from store.values.times import NS, rfc3339

Signature = tuple[tuple[int, ...] | None, ...]
"""Distinguishes changed files from unchanged ones, file by file; None for a missing file."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of one server.

    `setting` is the section of the configuration that names them, for example listener.tls.
    """

    setting: str
    certificate: Path  # PEM: the server's own first, then the intermediate ones
    key: Path
    client_ca: Path | None = None  # the CAs that sign certificates of clients
    requires_client_certificate: bool = False

    def signature(self) -> Signature:
        """Identifies the current state of the files.

        It contains the time of the inode's change, because chmod may fix a file.
        """
        return tuple(map(_signature, filter(None, (self.certificate, self.key, self.client_ca))))


def load(files: TlsFiles, now_s: float) -> tuple[ssl.SSLContext, Validity]:
    """A context for handshakes with these files, and the validity of its certificate. Raises ConfigError."""
    validity = _validity(f"{files.setting}.certificate: {files.certificate}", files.certificate)
    _check(f"{files.setting}.certificate: {files.certificate}", validity, now_s)
    _read(f"{files.setting}.key: {files.key}", files.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_own(context, files)
    if files.client_ca is not None:
        where = f"{files.setting}.client_ca: {files.client_ca}"
        _read(where, files.client_ca)
        try:
            context.load_verify_locations(cafile=files.client_ca)
        except ssl.SSLError as error:
            raise ConfigError(f"{where}: no certificates in PEM are in it ({_why(error)})") from error
        context.verify_mode = ssl.CERT_REQUIRED if files.requires_client_certificate else ssl.CERT_OPTIONAL
    return context, validity


def _load_own(context: ssl.SSLContext, files: TlsFiles) -> None:
    def refuse() -> str:
        raise ConfigError(
            f"{files.setting}.key: {files.key}: needs a passphrase; write it without one "
            "(openssl pkey -in KEY -out NEW), readable for the server alone"
        )

    try:
        context.load_cert_chain(files.certificate, files.key, password=refuse)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            message = f"is not the key of the certificate {files.certificate}"
        else:
            message = f"no key in PEM that can be used with {files.certificate} is in it ({_why(error)})"
        raise ConfigError(f"{files.setting}.key: {files.key}: {message}") from error


def _validity(where: str, certificate: Path) -> Validity:
    pem = _read(where, certificate)
    try:
        return validity_of_pem(pem)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def _check(where: str, validity: Validity, now_s: float) -> None:
    if now_s > validity.not_after_s:
        raise ConfigError(f"{where}: expired at {rfc3339(validity.not_after_s * NS)}; renew it")
    # If the host's clock is not set, every certificate seems to be of the future; clients check it by their own clocks.
    if now_s < validity.not_before_s and is_set(int(now_s * 1e9)):
        raise ConfigError(f"{where}: is valid from {rfc3339(validity.not_before_s * NS)} on; is the clock right?")


def _read(where: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{where}: cannot be read: {error.strerror}") from error


def _why(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).lower().replace("_", " ")


def _signature(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
