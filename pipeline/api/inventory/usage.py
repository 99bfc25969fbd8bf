"""The usage of accounts, over all workers: grouped, and priced. `SharedUsage` asks; the rest is pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from pipeline.cluster.peers import Peers, Question
from pipeline.config.prices import HOURS_OF_MONTH, Prices
from pipeline.log.query_use import Scan
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.partitions.stored_bytes import stored_bytes
from pipeline.stream.usage.counts import Stored, UsagePart, Use, summed

GROUPS = ("account", "database", "table", "day")
GIB = 2**30
_CENT_OF_CENT = Decimal("0.000001")  # of a line of a bill: a line of a small table has less than a cent
_partitions_decoder = msgspec.msgpack.Decoder(list[int])
_parts_decoder = msgspec.msgpack.Decoder(list[UsagePart])


@dataclass(frozen=True, slots=True)
class OwnUsage:
    """The usage of the partitions of this worker, and of its queries that are not told in the log yet."""

    owned: OwnedPartitions
    pending: Callable[[], list[Scan]]

    def of(self, partitions: list[int]) -> list[UsagePart]:
        """What it knows. Raises NotOwned if one of these partitions is not owned, or is still replayed."""
        ready = self.owned.ready(partitions)
        stored = stored_bytes({*self.owned, *ready})
        parts = [partition.usage.part(stored[partition.id]) for partition in ready]
        return [*parts, of_scans(self.pending())]

    def answer(self, body: bytes) -> list[UsagePart]:
        """The same for another worker."""
        return self.of(_partitions_decoder.decode(body))


class SharedUsage:
    """The usage over all workers of a group."""

    def __init__(self, own: OwnUsage, peers: Peers) -> None:
        self._own = own
        self._peers = peers

    def all(self) -> UsagePart:
        """Of all accounts. Raises PeerUnavailable if a worker does not answer, or still replays its log."""
        question = Question("usage", msgspec.msgpack.encode)
        return summed(self._peers.ask_all(question, self._own.of, _parts_decoder.decode))


def of_scans(scans: Iterable[Scan]) -> UsagePart:
    """The usage by queries."""
    uses = [
        (
            scan.day,
            (scan.account, scan.database, scan.table),
            Use(queries=scan.queries, scanned_bytes=scan.scanned_bytes, metered_bytes=scan.metered_bytes),
        )
        for scan in scans
    ]
    return UsagePart(uses, [])


@dataclass(frozen=True, slots=True)
class Asked:
    """Which usage is asked for: of an account (None: of all), of days from `from_day` to `to_day` (since 1970,
    inclusive), by some of GROUPS.
    """

    account: str | None
    from_day: int
    to_day: int
    by: Collection[str]


@dataclass(frozen=True, slots=True)
class Line:
    """The use of one group. What it is not grouped by is None; database and table are "" for queries without one."""

    account: str | None
    database: str | None
    table: str | None
    day: int | None
    use: Use
    cost: Decimal | None  # None: there are no prices


def lines(part: UsagePart, asked: Asked, prices: Prices | None) -> list[Line]:
    """The lines of what is asked for, in the order of GROUPS."""
    found: dict[tuple[str | None, str | None, str | None, int | None], Use] = {}
    for day, (account, database, table), use in part.uses:
        if asked.from_day <= day <= asked.to_day and asked.account in (None, account):
            key = (
                account if "account" in asked.by else None,
                database if "database" in asked.by else None,
                table if "table" in asked.by else None,
                day if "day" in asked.by else None,
            )
            found.setdefault(key, Use()).add(use)
    ordered = sorted(found, key=lambda key: (*(name or "" for name in key[:3]), key[3] or 0))
    return [Line(*key, found[key], cost_of(found[key], prices)) for key in ordered]


def total(of: Iterable[Line]) -> tuple[Use, Decimal | None]:
    """The sums of lines: the cost is that of a bill that lists them."""
    use, costs = Use(), []
    for line in of:
        use.add(line.use)
        costs.append(line.cost)
    known = [cost for cost in costs if cost is not None]
    return use, sum(known, Decimal(0)) if known else None


def cost_of(use: Use, prices: Prices | None) -> Decimal | None:
    """The cost, rounded to a millionth; None without prices."""
    if prices is None:
        return None
    cost = (
        _gib(use.written_bytes) * prices.written_gib
        + _gib(use.memory_byte_s) / 3600 * prices.memory_gib_hour
        + _gib(use.magnetic_byte_s) / 3600 / HOURS_OF_MONTH * prices.magnetic_gib_month
        + _gib(use.metered_bytes) * prices.metered_gib
    )
    return cost.quantize(_CENT_OF_CENT, ROUND_HALF_EVEN)


def _gib(size_bytes: float) -> Decimal:
    return Decimal(size_bytes) / GIB


def stored(part: UsagePart, account: str | None) -> list[tuple[tuple[str, str, str], Stored]]:
    """The bytes of each table now."""
    return [(names, of) for names, of in part.stored if account in (None, names[0])]
