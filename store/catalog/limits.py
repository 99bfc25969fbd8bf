"""How much of the store one account may use: the numbers, and the words for what is too many. Pure.

Each name costs every other user of the process: a table some milliseconds at each flush, a measure memory in each chunk
that has it, a series about a kilobyte. So there is a limit for everything that a client or a device can invent.

The limits of a table, and of databases, are those of Amazon Timestream (developer guide, "Quotas"). An account has 500
databases and 50,000 tables there, on many machines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of each account, and of each table.

    databases, tables  of an account; tables of the configuration are not counted
    series             of an account, in one process
    columns            the measures of all tables of an account
    catalog_bytes      of an account's databases and tables in the catalog, with measure names and tags
    measures           of a table
    dimensions         names of a table
    measure_names      of a table
    series_of          in place of `series`: of these accounts, and "*": of all others
    """

    databases: int = 500
    tables: int = 500
    series: int = 500_000
    columns: int = 20_000
    catalog_bytes: int = 8 * MIB
    measures: int = 1_024
    dimensions: int = 128
    measure_names: int = 8_192
    series_of: Mapping[str, int] = field(default_factory=dict)

    def told_series(self, account: str) -> str:
        """The refusal of another series of an account."""
        if account not in self.series_of and "*" not in self.series_of:
            return told("The account", self.series, "series")
        most = series_for(account, self.series, self.series_of)
        return f"The account has {most} series, the most that its quota (quotas.series) allows."


def series_for(account: str, most: int, series_of: Mapping[str, int]) -> int:
    """How many series an account may have in one process: `most`, unless `series_of` says otherwise."""
    return series_of.get(account, series_of.get("*", most))


DEFAULTS = Limits()


def told(what: str, most: int, of: str) -> str:
    """The refusal of another one: `what` has the most that the setting `of` allows."""
    return f"{what} has {most} {of.replace('_', ' ')}, the most that the server's setting limits.{of} allows."
