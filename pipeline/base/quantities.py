"""Durations, sizes, addresses and paths as people write them: `90s`, `2GiB`, `127.0.0.1:1883`. Text in, values out.

A number always carries its unit (a bare `90` could be seconds or minutes), except that a size may be a plain count of
bytes. Every refusal holds the value and what is allowed.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, InstanceOf, PlainSerializer, WithJsonSchema

FilePath = Annotated[Path, AfterValidator(Path.absolute)]

_DURATION_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_DURATION = re.compile(r"([0-9]{1,15})(ms|s|m|h|d|w)")
MAX_DURATION = timedelta(days=73_000)  # Timestream's longest retention; int64 nanoseconds would reach 106,751 days

_SIZE_UNITS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
MAX_SIZE_BYTES = 2**50  # far above any disk here, far below what int64 and SQLite hold
_SIZE = re.compile(r"([0-9]{1,16}) ?([KMGT]i?B|B|)")


def parse_duration(value: object) -> timedelta:
    """The duration that `value` writes. Raises ValueError if it is not one, is zero, or is longer than 73000d."""
    if isinstance(value, timedelta):
        duration = value
    else:
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            units = " ".join(_DURATION_UNITS)
            raise ValueError(
                f"{_shown(value)} is not a duration; write a whole number and one of {units}, as in 90s 5m 1h 365d"
            )
        count, unit = match.groups()
        most = MAX_DURATION // _DURATION_UNITS[unit]
        duration = min(int(count), most + 1) * _DURATION_UNITS[unit]
    if not timedelta(0) < duration <= MAX_DURATION:
        raise ValueError(
            f"{_shown(value)} is out of range; a duration is more than 0s and at most {MAX_DURATION.days}d"
        )
    return duration


def format_duration(duration: timedelta) -> str:
    """The shortest text that `parse_duration` reads as `duration` (exact to a millisecond)."""
    for unit in ("d", "h", "m", "s"):
        if duration % _DURATION_UNITS[unit] == timedelta(0):
            return f"{duration // _DURATION_UNITS[unit]}{unit}"
    return f"{duration // _DURATION_UNITS['ms']}ms"


def parse_size(value: object) -> int:
    """The number of bytes that `value` writes. Raises ValueError if it is not a size, is zero, or above 1024TiB."""
    match = _SIZE.fullmatch(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if match is None:
        raise ValueError(
            f"{_shown(value)} is not a size; write a whole number of bytes, or one with KiB MiB GiB TiB KB MB GB TB, "
            "as in 256KiB 2GiB"
        )
    size_bytes = int(match.group(1)) * _SIZE_UNITS[match.group(2)]
    if not 0 < size_bytes <= MAX_SIZE_BYTES:
        raise ValueError(
            f"{_shown(value)} is out of range; a size is more than 0 and at most {MAX_SIZE_BYTES >> 40}TiB"
        )
    return size_bytes


def format_size(size_bytes: int) -> str:
    """The shortest text that `parse_size` reads as `size_bytes`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size_bytes % _SIZE_UNITS[unit] == 0:
            return f"{size_bytes // _SIZE_UNITS[unit]}{unit}"
    return str(size_bytes)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens. Port 0 asks for any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})")


def parse_address(value: object) -> Address:
    """The address that `value` writes. Raises ValueError."""
    if isinstance(value, Address):
        return value
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match["port"]) > 65535:
        raise ValueError(
            f"{_shown(value)} is not an address; write host:port with a port of 0-65535 (0: any free one), "
            "as in 127.0.0.1:1883, [::1]:1883 or 0.0.0.0:1883 for every interface"
        )
    return Address(match["six"] or match["host"], int(match["port"]))


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["90s", "5m", "1h", "365d"]}),
]
SizeBytes = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(format_size, return_type=str),
    WithJsonSchema({"type": ["string", "integer"], "pattern": f"^{_SIZE.pattern}$", "examples": ["256KiB", "2GiB"]}),
]
HostPort = Annotated[
    InstanceOf[Address],
    BeforeValidator(parse_address),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["127.0.0.1:1883", "[::1]:1883"]}),
]
