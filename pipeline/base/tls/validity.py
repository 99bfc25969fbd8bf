"""The validity of a certificate file: the standard library shows it for peers only. Verifies nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Validity:
    """Both ends in seconds since 1970, inclusive."""

    not_before_s: int
    not_after_s: int


def validity_of_pem(pem: bytes) -> Validity:
    """The validity of the first certificate in a PEM file. Raises ValueError if there is none."""
    from cryptography import x509  # noqa: PLC0415  # a tenth of a second, only where there are certificates

    found = _PEM.search(pem)
    if found is None:
        raise ValueError("no certificate in PEM is in it")
    try:
        certificate = x509.load_pem_x509_certificate(found.group())
        return Validity(
            int(certificate.not_valid_before_utc.timestamp()), int(certificate.not_valid_after_utc.timestamp())
        )
    except ValueError as error:
        raise ValueError(f"not a certificate: {error}") from error
