"""From when until when a certificate is valid, read from its DER: the standard library tells it of peers only.

Reads no more than it needs: Certificate ▸ TBSCertificate ▸ validity (RFC 5280, sections 4.1 and 4.1.2.5). Verifies
nothing.
"""

from __future__ import annotations

import calendar
import re
import ssl
import time
from dataclasses import dataclass

_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18  # X.690, 8.1.2; [0] of TBSCertificate
_FORMATS = {_UTC_TIME: "%y%m%d%H%M%SZ", _GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Validity:
    """Seconds since 1970; both ends are inside."""

    not_before_s: int
    not_after_s: int


def validity_of_pem(pem: bytes) -> Validity:
    """What the first certificate in a PEM file says. Raises ValueError if there is none."""
    found = _PEM.search(pem)
    if found is None:
        raise ValueError("no certificate in PEM is in it")
    return validity_of(ssl.PEM_cert_to_DER_cert(found.group().decode("ascii")))


def validity_of(der: bytes) -> Validity:
    """What the certificate says. Raises ValueError if `der` is not one."""
    certificate = _item(der, 0, _SEQUENCE)
    fields = _item(der, certificate.start, _SEQUENCE)
    at = fields.start
    if der[at : at + 1] == bytes((_VERSION,)):  # absent in version 1
        at = _item(der, at, _VERSION).stop
    for _ in ("serialNumber", "signature", "issuer"):
        at = _item(der, at).stop
    first = _item(der, _item(der, at, _SEQUENCE).start)
    return Validity(_time_s(der, first), _time_s(der, _item(der, first.stop)))


@dataclass(frozen=True, slots=True)
class _Item:
    """An element of DER: its tag, and where its content is."""

    tag: int
    start: int
    stop: int


def _item(der: bytes, at: int, tag: int | None = None) -> _Item:
    head = der[at : at + 2]
    if len(head) < 2 or (tag is not None and head[0] != tag):
        raise ValueError(f"not a certificate: another element than expected at byte {at}")
    start, size = at + 2, head[1]
    if size > 0x7F:  # X.690, 8.1.3.5: the length follows, in so many bytes
        start += size & 0x7F
        size = int.from_bytes(der[at + 2 : start], "big")
    if start + size > len(der):
        raise ValueError(f"not a certificate: cut off in the element at byte {at}")
    return _Item(head[0], start, start + size)


def _time_s(der: bytes, item: _Item) -> int:
    text = der[item.start : item.stop].decode("ascii")
    if item.tag not in _FORMATS:
        raise ValueError(f"not a certificate: a time of the unknown kind {item.tag:#04x}")
    moment = time.strptime(text, _FORMATS[item.tag])
    if item.tag == _UTC_TIME and moment.tm_year >= 2050:  # RFC 5280, 4.1.2.5.1; strptime begins a century at 1969
        return calendar.timegm((moment.tm_year - 100, *moment[1:]))
    return calendar.timegm(moment)
