"""The versions of the catalog: small objects in the magnetic tier, changed by compare-and-swap.

Each version has a number, and is created only if the number is free; the highest number is current.
"""

from __future__ import annotations

from store import layout
from store.objects.objects import Objects

VERSIONS_KEPT = 100


class CatalogVersions:
    """The catalog as objects. Not thread-safe: the catalog's lock protects every call."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._number = 0  # of the version that was last loaded or saved
        self.name = layout.CATALOG

    def load(self) -> bytes | None:
        """The current version; None if there is none."""
        while True:
            numbers = self._numbers()
            if not numbers:
                return None
            data = self._objects.get(_path(max(numbers)))
            if data is not None:
                self._number = max(numbers)
                return data

    def has_newer(self) -> bool:
        """Whether there is a version after the one that was last loaded or saved."""
        return max(self._numbers(), default=0) > self._number

    def save(self, data: bytes) -> bool:
        """Create the next version; False if another worker has created it."""
        number = self._number + 1
        if self.has_newer() or not self._objects.create(_path(number), data):
            return False
        # If so many newer versions exist that the next one was already removed, `create` has succeeded although it is
        # outdated
        numbers = self._numbers()
        if self._number and self._number not in numbers:
            self._objects.delete(_path(number))
            return False
        self._number = number
        for old in numbers:
            if old <= number - VERSIONS_KEPT:
                self._objects.discard(_path(old))
        return True

    def _numbers(self) -> list[int]:
        names = (path.rsplit("/", 1)[-1] for path in self._objects.list(layout.CATALOG))
        return [int(name.removesuffix(".json")) for name in names if name.removesuffix(".json").isdigit()]


def _path(number: int) -> str:
    return f"{layout.CATALOG}/{number:020d}.json"
