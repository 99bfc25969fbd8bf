"""The versions of the catalog: small objects in the magnetic tier, changed by compare-and-swap.

Each version has a number, and is created only if the number is free; the highest number is current.
"""

from __future__ import annotations

from store import layout
from store.errors import DamagedObject
from store.objects.damage import Outcome, report
from store.objects.objects import Objects
from store.objects.sealed import set_aside

VERSIONS_KEPT = 100


class CatalogVersions:
    """The catalog as objects. Not thread-safe: the catalog's lock protects every call."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._number = 0  # of the version that was last loaded or saved
        self.name = layout.CATALOG

    def load(self) -> bytes | None:
        """The current version; None if there is none.

        If it is damaged, and an earlier one is not, that one becomes current again, as the next version, which the
        other workers load, too. Raises DamagedObject if all are damaged.
        """
        damaged: DamagedObject | None = None
        numbers = sorted(self._numbers())
        while numbers:
            number = numbers.pop()
            try:
                data = self._objects.get(_path(number))
            except DamagedObject as error:
                damaged = damaged or error
                continue
            if data is None:
                numbers = sorted(self._numbers())
            elif damaged is None:
                self._number = number
                return data
            else:
                self._return_to(number, data, damaged)
                damaged, numbers = None, sorted(self._numbers())
        if damaged is not None:
            raise DamagedObject(f"{damaged}; put it back from a backup: without it no table is known")
        return None

    def _return_to(self, number: int, data: bytes, damaged: DamagedObject) -> None:
        newest = max(self._numbers())
        self._objects.create(_path(newest + 1), data)
        places = [set_aside(self._objects, _path(each)) for each in range(number + 1, newest + 1)]
        report(
            "catalog",
            f"{damaged}; version {number} is current again: tables, databases and settings that were changed after it "
            f"are as they were before; set aside: {', '.join(places)}",
            Outcome.LOST,
        )

    @property
    def number(self) -> int:
        """The number of the version that was last loaded or saved."""
        return self._number

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
