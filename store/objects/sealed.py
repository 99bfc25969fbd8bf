"""Objects with a checksum at their end, which includes their path: damage is found when an object is read.

A single flipped bit is repaired, in storage too. What is damaged more is `DamagedObject`: whoever reads it knows
whether it can be made again.
"""

from __future__ import annotations

from store.errors import DamagedObject
from store.objects.checksum import SIZE, is_sealed, seal, unseal
from store.objects.damage import Outcome, report
from store.objects.objects import Objects

DAMAGED = "damaged"  # objects that were set aside


class SealedObjects:
    """The objects of `raw`, each with its checksum. Any thread. `is_read_only`: what is repaired is not written."""

    def __init__(self, raw: Objects, *, is_read_only: bool = False) -> None:
        self.raw = raw
        self._is_read_only = is_read_only
        self.url = raw.url

    def put(self, path: str, data: bytes) -> None:
        """See `Objects`."""
        self.raw.put(path, seal(path, data))

    def create(self, path: str, data: bytes) -> bool:
        """See `Objects`."""
        return self.raw.create(path, seal(path, data))

    def get(self, path: str) -> bytes | None:
        """See `Objects`. Raises DamagedObject."""
        data = self.raw.get(path)
        if data is None or is_sealed(path, data):
            return None if data is None else data[:-SIZE]
        repaired = unseal(path, data)
        if repaired is None:
            raise DamagedObject(f"{self.url}/{path} is damaged: its {len(data)} bytes do not match their checksum")
        if not self._is_read_only:
            report("object", f"{self.url}/{path}: one bit was flipped, and is repaired", Outcome.REPAIRED)
            self.put(path, repaired)
        return repaired

    def list(self, prefix: str) -> list[str]:
        """See `Objects`."""
        return self.raw.list(prefix)

    def delete(self, path: str) -> None:
        """See `Objects`."""
        self.raw.delete(path)

    def discard(self, path: str) -> None:
        """See `Objects`."""
        self.raw.discard(path)


def set_aside(objects: Objects, path: str) -> str:
    """Move a damaged object out of the way; returns its new place."""
    raw = objects.raw if isinstance(objects, SealedObjects) else objects
    aside = f"{DAMAGED}/{path}"
    data = raw.get(path)
    if data is not None:
        raw.put(aside, data)
        raw.delete(path)
    return f"{objects.url}/{aside}"
