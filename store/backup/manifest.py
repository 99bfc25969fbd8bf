"""What one backup consists of: a JSON document with its own checksum, which names each file by its hash."""

from __future__ import annotations

from typing import Literal

import msgspec

from store.errors import BackupError
from store.objects import sealed_json

FORMAT_VERSION = 1


class Entry(msgspec.Struct, frozen=True):
    """One file: its path in the data_dir, where `magnetic/…` is the magnetic tier, wherever that is."""

    path: str
    sha256: str
    size_bytes: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One backup.

    at             RFC 3339: everything that was acknowledged before is in it
    data_dir_id    of the data_dir that it was made of
    formats        format versions: of the data_dir, and of the magnetic tier
    log            whether messages of the log are in it (`embedded`), or stay where they are (`kafka`)
    positions      partition of [readings] → the offset from which the restored state continues
    files          in the order in which they were copied
    """

    format_version: int = FORMAT_VERSION
    at: str
    product: str
    data_dir_id: str
    formats: tuple[int, int]
    log: Literal["embedded", "kafka"]
    positions: dict[str, int]
    files: list[Entry]

    @property
    def size_bytes(self) -> int:
        """The size of all its files, also of those that it shares with other backups."""
        return sum(entry.size_bytes for entry in self.files)


_decoder = msgspec.json.Decoder(Manifest)


def encode(manifest: Manifest) -> bytes:
    """The document."""
    return sealed_json.write(msgspec.to_builtins(manifest), indent=1)


def decode(data: bytes, name: str) -> Manifest:
    """The manifest in a document called `name`. Raises BackupError."""
    fields = sealed_json.read(data)
    if not sealed_json.is_sealed(fields):
        raise BackupError(f"{name} is damaged: it does not match its checksum; restore another backup with --at")
    version = fields.get("format_version")
    if version != FORMAT_VERSION:
        raise BackupError(f"{name} has format version {version}; this streamgauge reads {FORMAT_VERSION}")
    return _decoder.decode(data)
