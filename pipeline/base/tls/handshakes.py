"""Handshakes that fail: why, in words of ours, and the count of those that no server tells of.

OpenSSL's reasons are its own names (`ssl.SSLError.reason`), from include/openssl/sslerr.h; they differ with what the
peer sent, so those that mean one thing to an operator are put together.
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
    """The reason as a metric label, and for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "client_certificate", f"its certificate is not good: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        reason = error.reason or ""
        if reason in _NOT_TLS:
            return "not_tls", "it does not speak TLS"
        if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
            return "no_client_certificate", "it has no certificate, and one is required"
        if reason in _NOTHING_IN_COMMON:
            return "nothing_in_common", f"it knows no version or cipher of ours ({_words(reason)})"
        if "ALERT" in reason:
            return "refused_by_client", f"it does not accept us ({_words(reason)})"
        return "other", _words(reason) or str(error)
    if isinstance(error, ConnectionAbortedError):  # what asyncio and uvloop raise at their handshake timeout
        return "timeout", "no handshake in time"
    return "lost", "it closed the connection"


class Counted(ssl.SSLObject):
    """A connection of HTTP, for `SSLContext.sslobject_class`: uvicorn says nothing of a handshake that failed.

    Those that do not end, or that are broken off between packets, are not seen from here.
    """

    def do_handshake(self) -> None:
        """As `ssl.SSLObject` does it."""
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            metrics.handshakes_failed.labels("http", why(error)[0]).inc()
            raise


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")
