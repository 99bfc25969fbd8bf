"""Settings as people write them: durations (`store.values.durations`), sizes `2GiB`, addresses `127.0.0.1:1883`, paths.

Text in, values out. A size may be a plain number of bytes. Every error message contains the value and what is allowed.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, InstanceOf, PlainSerializer, WithJsonSchema

from store.values.durations import PATTERN, format_duration, parse_duration, shown

FilePath = Annotated[Path, AfterValidator(Path.absolute)]

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


def parse_size(value: object) -> int:
    """The size in bytes. Raises ValueError if `value` is not a size, is zero, or is above 1024TiB."""
    match = _SIZE.fullmatch(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if match is None:
        raise ValueError(
            f"{shown(value)} is not a size; write a whole number of bytes, or one with KiB MiB GiB TiB KB MB GB TB, "
            "as in 256KiB 2GiB"
        )
    size_bytes = int(match.group(1)) * _SIZE_UNITS[match.group(2)]
    if not 0 < size_bytes <= MAX_SIZE_BYTES:
        raise ValueError(f"{shown(value)} is out of range; a size is more than 0 and at most {MAX_SIZE_BYTES >> 40}TiB")
    return size_bytes


def format_size(size_bytes: int) -> str:
    """The shortest text that `parse_size` reads as `size_bytes`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size_bytes % _SIZE_UNITS[unit] == 0:
            return f"{size_bytes // _SIZE_UNITS[unit]}{unit}"
    return str(size_bytes)


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a server. Port 0 means any free one."""

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
    """The address in `value`. Raises ValueError."""
    if isinstance(value, Address):
        return value
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match["port"]) > 65535:
        raise ValueError(
            f"{shown(value)} is not an address; write host:port with a port of 0-65535 (0: any free one), "
            "as in 127.0.0.1:1883, [::1]:1883 or 0.0.0.0:1883 for every interface"
        )
    return Address(match["six"] or match["host"], int(match["port"]))


_DURATION_SHOWN = (
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": f"^{PATTERN}$", "examples": ["90s", "5m", "1h", "365d"]}),
)
Duration = Annotated[timedelta, BeforeValidator(parse_duration), *_DURATION_SHOWN]
DurationOrZero = Annotated[timedelta, BeforeValidator(partial(parse_duration, may_be_zero=True)), *_DURATION_SHOWN]
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
