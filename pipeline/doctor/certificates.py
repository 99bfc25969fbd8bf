"""The certificates that the configuration names: readable, and valid for some time yet."""

from __future__ import annotations

import datetime as dt
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pipeline.config import Config
from pipeline.doctor.finding import Finding, fail, ok, warn

NAME = "certificates"
DAY_S = 86_400.0
SOON_S = 14 * DAY_S  # two weeks: Let's Encrypt renews a month ahead, so somebody should have noticed by then


def check_certificates(config: Config) -> Iterator[Finding]:
    """One finding a file that a section `tls` names as ca, client_ca or certificate."""
    found = list(_named(config, ""))
    if not found:
        yield ok(NAME, "the configuration names none")
    for setting, path in found:
        try:
            text = path.read_text(encoding="ascii")
            expires_s = _expiry_s(path, text)
        except (OSError, ValueError, ssl.SSLError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            yield fail(NAME, f"{setting}: {path}: {why}", "put a certificate there that this user may read, in PEM")
            continue
        yield judge(f"{setting}: {path}", expires_s, time.time())


def judge(where: str, expires_s: float, now_s: float) -> Finding:
    """Whether it is valid, and for how long."""
    day = dt.datetime.fromtimestamp(expires_s, dt.UTC).date().isoformat()
    if expires_s <= now_s:
        return fail(NAME, f"{where} has expired on {day}", "renew it")
    if expires_s < now_s + SOON_S:
        return warn(NAME, f"{where} expires on {day}", "renew it; see why its renewal did not")
    return ok(NAME, f"{where} is valid until {day}")


def _named(section: Any, path: str) -> Iterator[tuple[str, Path]]:
    """(setting, file) of every certificate below this section."""
    if isinstance(section, tuple):
        for number, item in enumerate(section):
            yield from _named(item, f"{path}{number}.")
    if not isinstance(section, BaseModel):
        return
    for name in type(section).model_fields:
        value = getattr(section, name)
        if name in {"ca", "client_ca", "certificate"} and isinstance(value, str | Path):
            yield f"{path}{name}", Path(value)
        else:
            yield from _named(value, f"{path}{name}.")


def _expiry_s(path: Path, text: str) -> float:
    """When the first certificate of the file expires. Raises ValueError or ssl.SSLError if there is none."""
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise ValueError("there is no certificate in it")
    decoded: dict[str, str] = ssl._ssl._test_decode_cert(str(path))  # type: ignore[attr-defined]  # noqa: SLF001  # the standard library decodes a certificate nowhere else
    return float(ssl.cert_time_to_seconds(decoded["notAfter"]))
