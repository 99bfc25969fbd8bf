"""A failure at a broker → its kind, a description, and the remedy. Values in, values out."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of trouble: a metric label, so they are few."""

    DNS = "dns"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    TLS = "tls"
    CREDENTIALS = "credentials"
    NOT_AUTHORISED = "not_authorised"
    CLIENT_ID = "client_id"
    VERSION = "version"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    TAKEN_OVER = "taken_over"
    SESSION_LOST = "session_lost"
    LOST = "lost"
    BAD_PACKET = "bad_packet"
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happened, for people, and the remedy if it is known."""

    kind: Kind
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}" if self.remedy else self.what


class HandshakeCut(OSError):
    """The broker closed the connection during the TLS handshake."""


_CREDENTIALS = (Kind.CREDENTIALS, "set the user name and password for this broker, in the url or next to it")
_NOT_AUTHORISED = (  # Mosquitto's response to a wrong password, too
    Kind.NOT_AUTHORISED,
    "set the user name and password that it knows us by, and let this user connect and subscribe in its access rules",
)
_CLIENT_ID = (Kind.CLIENT_ID, "set a client_id that the broker takes")
_UNAVAILABLE = (Kind.UNAVAILABLE, "it is tried again; look at the log of the broker if that continues")
_VERSION = (Kind.VERSION, 'the broker does not speak this version of MQTT; set version: "3.1.1", or 5')
_TAKEN_OVER = (
    Kind.TAKEN_OVER,
    "another client has our client id: a copy of this data_dir, or the same client_id in another configuration",
)

# MQTT 5, 2.4. paho translates the return codes of 3.1.1 into these.
_OF_REASON_CODE = {
    0x84: _VERSION,
    0x85: _CLIENT_ID,
    0x86: _CREDENTIALS,
    0x87: _NOT_AUTHORISED,
    0x88: _UNAVAILABLE,
    0x89: _UNAVAILABLE,
    0x8A: _NOT_AUTHORISED,
    0x8B: _UNAVAILABLE,
    0x8C: (Kind.CREDENTIALS, "the broker wants an authentication method; only user name, password and certificates"),
    0x8E: _TAKEN_OVER,
    0x97: _UNAVAILABLE,
    0x9C: (Kind.REFUSED, "the broker wants us to use another server; set its url"),
    0x9D: (Kind.REFUSED, "the broker has moved permanently; set its new url"),
    0x9E: (Kind.REFUSED, "this broker has no shared subscriptions; leave out group, and run one gateway"),
    0x9F: _UNAVAILABLE,
    0xA2: (Kind.REFUSED, "this broker takes no wildcards; list the MQTT topics"),
}


_NOT_TLS = "the port does not speak TLS, it seems; write mqtt://, or the broker's port for TLS"
_WANTS_CERTIFICATE = "the broker requires a client certificate that it trusts; set tls.certificate and tls.key"

# OpenSSL's numbers and names: include/openssl/x509_vfy.h, include/openssl/sslerr.h
_X509_NOT_YET_VALID, _X509_EXPIRED, _X509_OTHER_HOST, _X509_OTHER_ADDRESS = 9, 10, 62, 64
_OTHER_NAME = "write the host in the url as the broker's certificate names it"
_OTHER_AUTHORITY = "name the authority that signed it as tls.ca"
_OTHER_TIME = "renew the broker's certificate, or set the clock right"
_MEND_CERTIFICATE = {
    _X509_NOT_YET_VALID: _OTHER_TIME,
    _X509_EXPIRED: _OTHER_TIME,
    _X509_OTHER_HOST: _OTHER_NAME,
    _X509_OTHER_ADDRESS: _OTHER_NAME,
}
_MEND_TLS = {
    "WRONG_VERSION_NUMBER": _NOT_TLS,
    "RECORD_LAYER_FAILURE": _NOT_TLS,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _WANTS_CERTIFICATE,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": _WANTS_CERTIFICATE,
    "SSLV3_ALERT_BAD_CERTIFICATE": _WANTS_CERTIFICATE,
    "TLSV1_ALERT_UNKNOWN_CA": _WANTS_CERTIFICATE,
}


def unanswered(where: str, *, is_secure: bool) -> Trouble:
    """A connection ended before the CONNACK. With TLS 1.3 a broker refuses our certificate in this way."""
    what = f"{where} closes the connection without an answer to the CONNECT"
    if is_secure:
        return Trouble(Kind.TLS, what, _WANTS_CERTIFICATE)
    return Trouble(Kind.LOST, what, "if the port speaks TLS, write mqtts://")


def of_reason(code: int, name: str, *, during: str) -> Trouble:
    """The trouble for a reason code in a CONNACK, SUBACK or DISCONNECT."""
    kind, remedy = _OF_REASON_CODE.get(code, (Kind.REFUSED, ""))
    return Trouble(kind, f"{during}: {name} (0x{code:02X})", remedy)


def of_error(error: BaseException, where: str) -> Trouble:
    """The trouble for an error on the way to `where` (host:port), or on the connection."""
    match error:
        case socket.gaierror():
            return Trouble(
                Kind.DNS, f"{where}: the name is not known ({error.strerror})", "correct the host in the url"
            )
        case TimeoutError():
            remedy = "check that the broker runs, and that no firewall blocks the connection"
            return Trouble(Kind.TIMEOUT, f"{where} does not answer in time", remedy)
        case ConnectionRefusedError():
            remedy = "start the broker, or correct the port in the url"
            return Trouble(Kind.UNREACHABLE, f"{where}: nothing listens there (connection refused)", remedy)
        case HandshakeCut():
            what = f"{where} closes the connection in the middle of the TLS handshake"
            return Trouble(Kind.TLS, what, _NOT_TLS)
        case ssl.SSLCertVerificationError():
            what = f"{where}: its certificate is not trusted: {error.verify_message or error.reason}"
            return Trouble(Kind.TLS, what, _MEND_CERTIFICATE.get(error.verify_code, _OTHER_AUTHORITY))
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return Trouble(Kind.LOST, f"{where} has closed the connection")
        case ssl.SSLError():
            return Trouble(
                Kind.TLS, f"{where}: TLS failed: {error.reason or error}", _MEND_TLS.get(error.reason or "", "")
            )
        case ConnectionResetError() | BrokenPipeError():
            return Trouble(Kind.LOST, f"{where} has cut the connection")
        case OSError():
            return Trouble(Kind.UNREACHABLE, f"{where}: {error.strerror or error}", "check the network route to it")
        case _:
            return Trouble(Kind.OURS, f"{where}: {error!r}", "report this error with the log")
