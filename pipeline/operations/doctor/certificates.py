"""The configured certificates: readable, and still valid for some time."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pipeline.base.tls.validity import validity_of_pem
from pipeline.config import Config
from pipeline.operations.doctor.finding import Finding, fail, ok, warn

NAME = "certificates"
DAY_S = 86_400.0
SOON_S = 14 * DAY_S  # two weeks: Let's Encrypt renews a month ahead, so the renewal has failed by then


def check_certificates(config: Config) -> Iterator[Finding]:
    """One finding per file that a section `tls` names as ca, client_ca or certificate."""
    found = list(_named(config, ""))
    if not found:
        yield ok(NAME, "the configuration names none")
    for setting, path in found:
        try:
            expires_s = validity_of_pem(path.read_bytes()).not_after_s
        except (OSError, ValueError) as error:
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
