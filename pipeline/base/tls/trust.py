"""The CAs that our clients trust."""

from __future__ import annotations

import ssl
from pathlib import Path

from pipeline.base.errors import ConfigError


def trusting(ca: Path, setting: str) -> ssl.SSLContext:
    """A context that trusts only the CAs in the file `ca`. Raises ConfigError, which names `setting`."""
    try:
        return ssl.create_default_context(cafile=ca)
    except ssl.SSLError as error:
        raise ConfigError(f"{setting} {ca}: no certificates in PEM are in it") from error
    except OSError as error:
        raise ConfigError(f"{setting} {ca}: cannot be read: {error.strerror}") from error
