"""How far a rollup table is made, and who makes it: a part of its account in the catalog."""

from __future__ import annotations

from typing import Any

import msgspec

from store.catalog.catalog import Catalog, Said

ROLLUPS = "RollupTables"  # among the settings of an account
ABANDONED_NS = 60_000_000_000


class Lost(Exception):
    """Another worker makes the table."""


class Made(msgspec.Struct, omit_defaults=True):
    """How far it is.

    source_ns   when the table of the rows was created: of another one everything is made anew
    version     of that table, whose rows are in the bins that were made; -1: none are made
    made_to_ns  bins from here on are not made yet
    trigger_ns  the version of the records that were written last
    owner       the worker that makes it, which last said so at `seen_ns`
    """

    source_ns: int = 0
    version: int = -1
    made_to_ns: int = 0
    trigger_ns: int = 0
    owner: str = ""
    seen_ns: int = 0


_decoder = msgspec.json.Decoder(Made)


def made_of(catalog: Catalog, account: str, table: str, source_ns: int) -> Made:
    """How far the table is made."""
    return _made(catalog.account_settings(account), table, source_ns)


def begin(catalog: Catalog, account: str, table: str, source_ns: int, owner: str, now_ns: int) -> Made:
    """Let `owner` make the table, or say that it goes on. Raises Lost."""

    def changed(said: Said) -> Said:
        made = _made(said, table, source_ns)
        if made.owner not in {"", owner} and now_ns - made.seen_ns < ABANDONED_NS:
            raise Lost
        made.owner, made.seen_ns, made.trigger_ns = owner, now_ns, max(now_ns, made.trigger_ns + 1)
        found[:] = [made]
        return _with(said, table, made)

    found: list[Made] = []
    catalog.update_account(account, changed)
    return found[0]


def save(catalog: Catalog, account: str, table: str, made: Made) -> None:
    """Save how far the table is made. Raises Lost if another worker has begun since."""

    def changed(said: Said) -> Said:
        if _made(said, table, made.source_ns).trigger_ns != made.trigger_ns:
            raise Lost
        return _with(said, table, made)

    catalog.update_account(account, changed)


def _made(said: Said, table: str, source_ns: int) -> Made:
    known: Any = said.get(ROLLUPS, {}).get(table)
    made = Made() if known is None else _decoder.decode(msgspec.json.encode(known))
    return made if made.source_ns == source_ns else Made(source_ns, trigger_ns=made.trigger_ns)


def _with(said: Said, table: str, made: Made) -> Said:
    return {**said, ROLLUPS: {**said.get(ROLLUPS, {}), table: msgspec.to_builtins(made)}}
