"""The clock: plausible, not behind the stored data, and synchronised by NTP as far as the kernel says."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.config import Config
from pipeline.operations.doctor.finding import Finding, fail, ok, warn
from store import layout as store_layout
from store.host_time import is_set
from store.values.times import NS, rfc3339

NAME = "clock"
AHEAD_S = 2.0  # the tolerance for a file just written; file systems round
_STA_UNSYNC = 0x0040  # linux/timex.h


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2) up to `status`, with room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


def check_clock(config: Config) -> Iterator[Finding]:
    """Compare the clock with the newest file of the log and of the state next to the tables, and ask the kernel."""
    kept = Path(config.magnetic_url) / store_layout.OBJECTS
    files = [*_files(config.layout.log), *(file for file in kept.rglob("*") if file.is_file())]
    newest_s = max((file.stat().st_mtime for file in files), default=None)
    yield judge(time.time(), newest_s)
    yield from judge_ntp(_is_synchronised())


def judge(now_s: float, newest_s: float | None) -> Finding:
    """`newest_s` is when the newest file of the data_dir was written; None: there is none."""
    told = rfc3339(int(now_s) * NS)
    remedy = "set the clock by NTP (systemd-timesyncd, chrony) before streamgauge starts: arrivals are stamped with it"
    if not is_set(int(now_s * 1e9)):
        return fail(NAME, f"it says {told}, before this program was written", remedy)
    if newest_s is not None and newest_s > now_s + AHEAD_S:
        return fail(NAME, f"it says {told}, {newest_s - now_s:,.0f} s before the newest data was written", remedy)
    return ok(NAME, f"it says {told}")


def judge_ntp(is_synchronised: bool | None) -> Iterator[Finding]:
    """None: the kernel does not say."""
    if is_synchronised is False:
        remedy = "systemctl enable --now systemd-timesyncd, or chrony; in a container, on its host"
        yield warn(NAME, "no time server synchronises it", remedy)
    elif is_synchronised:
        yield ok(NAME, "a time server synchronises it")


def _is_synchronised() -> bool | None:
    if sys.platform != "linux":
        return None
    timex = _Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    return None if state < 0 else not timex.status & _STA_UNSYNC


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.is_file()] if folder.exists() else []
