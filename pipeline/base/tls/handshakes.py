"""Failed TLS handshakes: their reasons in our words, and a count of those that no server reports.

OpenSSL's reasons have names (`ssl.SSLError.reason`) from include/openssl/sslerr.h. They depend on what the peer sent,
so those that mean the same to an operator are grouped.
"""

from __future__ import annotations

import ssl

from pipeline.base import metrics

_NOT_TLS = ("HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "NOT_SSL_RECORD")
_NOTHING_IN_COMMON = (
    *("NO_SHARED_CIPHER", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE", "NO_SUITABLE_KEY_SHARE"),
    *("NO_SUITABLE_SIGNATURE_ALGORITHM", "NO_SHARED_SIGNATURE_ALGORITHMS", "INAPPROPRIATE_FALLBACK"),
)


def why(error: OSError) -> tuple[str, str]:
    """The reason as a metric label, and as a text for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "client_certificate", f"its certificate is not good: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        reason = error.reason or ""
        if reason in _NOT_TLS:
            return "not_tls", "it does not speak TLS"
        if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
            return "no_client_certificate", "it has no certificate, and one is required"
        if reason in _NOTHING_IN_COMMON:
            return "nothing_in_common", f"it supports none of our versions and ciphers ({_words(reason)})"
        if "ALERT" in reason:
            return "refused_by_client", f"it does not accept us ({_words(reason)})"
        return "other", _words(reason) or str(error)
    if isinstance(error, ConnectionAbortedError):  # raised by asyncio and uvloop at their handshake timeout
        return "timeout", "no handshake in time"
    return "lost", "it closed the connection"


class Counted(ssl.SSLObject):
    """A connection of HTTP, for `SSLContext.sslobject_class`, because uvicorn does not report failed handshakes.

    Handshakes that do not end, or that are interrupted between packets, are counted by the server.
    """

    def do_handshake(self) -> None:
        """As in `ssl.SSLObject`."""
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            metrics.handshakes_failed.labels("http", why(error)[0]).inc()
            raise


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")
