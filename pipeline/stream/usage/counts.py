"""The numbers of usage, and their sums. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from store.names import TableId

DAY_NS = 86_400 * 1_000_000_000
KEPT_DAYS = 62  # by themselves: two months, for the bill of the last one
KEPT_MONTHS_DAYS = 400  # thirteen months: the same month of last year is there to compare with


class Use(msgspec.Struct, array_like=True):
    """What was used of a table on one day.

    written_bytes       of `records`, by `store.record_size`
    memory_byte_s       bytes in the memory tier times seconds; magnetic_byte_s: in the magnetic tier
    scanned_bytes       by `queries`; metered_bytes: with the least that counts for each
    """

    records: int = 0
    written_bytes: int = 0
    memory_byte_s: float = 0.0
    magnetic_byte_s: float = 0.0
    queries: int = 0
    scanned_bytes: int = 0
    metered_bytes: int = 0

    def add(self, other: Use) -> None:
        """Add the numbers of another one."""
        for name in FIELDS:
            setattr(self, name, getattr(self, name) + getattr(other, name))


FIELDS = Use.__struct_fields__


class Stored(msgspec.Struct, array_like=True):
    """The bytes of a table now, by tier."""

    memory_bytes: int = 0
    magnetic_bytes: int = 0

    def add(self, other: Stored) -> None:
        """Add the numbers of another one."""
        self.memory_bytes += other.memory_bytes
        self.magnetic_bytes += other.magnetic_bytes


class Counts:
    """Use by day (since 1970) and table. One thread changes it; others may read `entries`."""

    def __init__(self) -> None:
        self._uses: dict[tuple[int, TableId], Use] = {}

    def of(self, day: int, table: TableId) -> Use:
        """The use of a table on a day, to be changed."""
        found = self._uses.get((day, table))
        if found is None:
            found = self._uses[day, table] = Use()
        return found

    def entries(self) -> list[tuple[int, TableId, Use]]:
        """All of it, as of now. Any thread."""
        return [(day, table, use) for (day, table), use in list(self._uses.items())]

    def age(self, today: int) -> None:
        """Add days of more than KEPT_DAYS ago to the first of their month, and forget what is much older."""
        kept, forgotten = today - KEPT_DAYS, today - KEPT_MONTHS_DAYS
        if all(day >= kept or day == first_of_month(day) > forgotten for day in {day for day, _ in self._uses}):
            return
        uses, self._uses = self._uses, {}
        for (day, table), use in uses.items():
            if day > forgotten:
                self.of(day if day >= kept else first_of_month(day), table).add(use)


class UsagePart(msgspec.Struct, array_like=True):
    """The usage that one worker knows: by day and table, and the bytes of tables now."""

    uses: list[tuple[int, tuple[str, str, str], Use]]
    stored: list[tuple[tuple[str, str, str], Stored]]


def first_of_month(day: int) -> int:
    """The first day of the month of a day (since 1970)."""
    return day - datetime.fromtimestamp(day * 86_400, UTC).day + 1


def names_of(table: TableId) -> tuple[str, str, str]:
    """Its names, as they travel."""
    return table.account, table.database, table.table


def summed(parts: Iterable[UsagePart]) -> UsagePart:
    """The sum over partitions and workers, by day and name."""
    uses: dict[tuple[int, tuple[str, str, str]], Use] = {}
    stored: dict[tuple[str, str, str], Stored] = {}
    for part in parts:
        for day, names, use in part.uses:
            uses.setdefault((day, names), Use()).add(use)
        for names, of in part.stored:
            stored.setdefault(names, Stored()).add(of)
    return UsagePart([(*key, uses[key]) for key in sorted(uses)], [(names, stored[names]) for names in sorted(stored)])


def by_account(part: UsagePart) -> Mapping[str, tuple[Use, Stored]]:
    """The sum of each account over all its days and tables, and its bytes now."""
    found: dict[str, tuple[Use, Stored]] = {}

    def of(account: str) -> tuple[Use, Stored]:
        return found.setdefault(account, (Use(), Stored()))

    for _, (account, _, _), use in part.uses:
        of(account)[0].add(use)
    for (account, _, _), stored in part.stored:
        of(account)[1].add(stored)
    return found


def spread(from_ns: int, to_ns: int) -> Iterator[tuple[int, float]]:
    """The days of a time span, and its seconds in each."""
    while from_ns < to_ns:
        day = from_ns // DAY_NS
        until_ns = min((day + 1) * DAY_NS, to_ns)
        yield day, (until_ns - from_ns) / 1e9
        from_ns = until_ns
