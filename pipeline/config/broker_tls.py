"""The TLS of connections to a broker, whether the gateway subscribes there or alerts are published there."""

from __future__ import annotations

import ssl

from pipeline.base.errors import ConfigError
from pipeline.config.brokers import BrokerTls


def broker_context(tls: BrokerTls | None) -> ssl.SSLContext:
    """The TLS context of a broker. The files are read each time, so renewed ones are used from the next connection on.

    Raises ConfigError if one cannot be used.
    """
    tls = tls or BrokerTls()
    context = ssl.create_default_context()
    try:
        if tls.ca is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # then the system's CAs are not trusted
            context.load_verify_locations(tls.ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"tls.ca: {tls.ca}: {_why(error)}") from error
    try:
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key, password=_refuse_passphrase)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"tls.certificate, tls.key: {tls.certificate}, {tls.key}: {_why(error)}") from error
    return context


def _refuse_passphrase() -> str:
    raise ConfigError("tls.key: has a passphrase; keys are read without one")


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"not PEM, or they do not belong together ({error.reason or error})"
    return f"cannot be read: {error.strerror}"
