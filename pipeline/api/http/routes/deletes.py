"""`/v1/deletes`: DELETE in SQL, counted first, carried out if it is confirmed."""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import msgspec
import orjson
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from pipeline.api.http import responses, results
from pipeline.api.http.credentials import Who
from pipeline.api.http.openapi import OF_BODIES, answers
from pipeline.api.http.problems import Problem
from pipeline.api.http.services import Services, asker, services, who
from pipeline.api.http.slots import Asker
from pipeline.cluster.deletes import DeleteResponse
from pipeline.config.roles import Role
from pipeline.log.deleting import Delete, encode_delete
from pipeline.log.topics import READINGS
from store.processes.job import Job
from store.record import TableId
from store.sql import SqlRequest
from store.sql.deletion import deletion_of
from store.sql.query import plain

router = APIRouter(prefix="/v1/deletes", tags=["sql"])
log = logging.getLogger(__name__)

WITHIN_S = 20.0  # a response that says `running` comes after this time
_DETAILS = {
    "counted": "nothing is deleted: send it again with confirm",
    "running": "it is in the log, and will be carried out; GET /v1/deletes/{id} says how far it is",
    "done": "no query has these rows any more",
}

Parts = Annotated[Services, Depends(services)]


class DeleteRows(BaseModel):
    """Which rows to delete, and whether really."""

    model_config = ConfigDict(extra="forbid")
    sql: str = Field(description='DELETE FROM "database"."table" WHERE …')
    confirm: bool = Field(default=False, description="delete them; else they are counted only")
    purge: bool = Field(default=False, description="also from files that only earlier versions of the table have")


class _Id(msgspec.Struct, array_like=True, frozen=True):
    """What the id of a DELETE contains: the offset in each partition."""

    database: str
    table: str
    offsets: tuple[int, ...]
    is_purge: bool


_ids = msgspec.msgpack.Decoder(_Id)


@router.post("", summary="Count rows, or delete them", **answers(responses.Deletion, 403, 409, *OF_BODIES, 504))
async def delete(
    parts: Parts,
    who: Annotated[Who, Depends(who)],
    asker: Annotated[Asker, Depends(asker)],
    body: DeleteRows,
) -> responses.Deletion:
    """The WHERE chooses rows by time, dimensions and measure_name. Without `confirm` they are only counted.

    What is deleted are the rows that were acknowledged before; a record that comes later is stored. Only tokens with
    the role `admin` may confirm.
    """
    if body.confirm:
        who.need(Role.ADMIN, "deleting rows")
    now_ns = parts.clock_ns()
    table, rows = await parts.queries.run(asker, partial(_count, parts, asker.account, body.sql, now_ns), text=body.sql)
    if not body.confirm:
        return _answer(table.database, table.table, "counted", rows, None, is_purge=body.purge)
    log.warning("%s: %d rows are to be deleted: %s", table, rows, body.sql)
    word = Delete(table.account, table.database, table.table, body.sql, now_ns, body.purge)
    frame = encode_delete(word, parts.stamps.take())
    offsets = [
        await parts.appender.append(READINGS, frame, partition)
        for partition in range(parts.appender.partitions_of(READINGS))
    ]
    return await _state(parts, asker.account, _Id(table.database, table.table, tuple(offsets), body.purge))


@router.get("/{delete_id}", summary="How far a DELETE is", **answers(responses.Deletion, 404))
async def state(parts: Parts, asker: Annotated[Asker, Depends(asker)], delete_id: str) -> responses.Deletion:
    """Waits for up to 20 s until it is carried out."""
    try:
        known = _ids.decode(base64.urlsafe_b64decode(delete_id))
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        raise Problem(404, f"there is no DELETE {delete_id}", parameter="delete_id") from None
    return await _state(parts, asker.account, known)


def _count(parts: Services, account: str, text: str, now_ns: int) -> tuple[TableId, int]:
    """The table, and how many of its rows are chosen. Raises SqlError."""
    with parts.store.snapshot(account) as snapshot:
        snapshot.look_for_newest()
        deletion = deletion_of(snapshot, text, now_ns)
    job = Job(SqlRequest(deletion.count, now_ns), partial(results.parts, form="json"))
    with parts.store.lender(account) as lender, parts.executor.run(lender, job) as answer:
        ((rows,),) = orjson.loads(b"".join(answer.parts))["rows"]
    return deletion.table, rows


async def _state(parts: Services, account: str, known: _Id) -> responses.Deletion:
    found = await parts.deleted(TableId(account, known.database, known.table), known.offsets, WITHIN_S)
    encoded = base64.urlsafe_b64encode(msgspec.msgpack.encode(known)).decode()
    faults = sorted({plain(outcome.fault) for outcome in found if outcome.fault})
    if faults:
        return _answer(
            known.database, known.table, "failed", _rows(found), encoded, "; ".join(faults), is_purge=known.is_purge
        )
    name = "done" if all(outcome.is_done for outcome in found) else "running"
    return _answer(known.database, known.table, name, _rows(found), encoded, is_purge=known.is_purge)


def _rows(found: Sequence[DeleteResponse]) -> int | None:
    counts = [outcome.rows for outcome in found]
    return None if None in counts else sum(count for count in counts if count is not None)


def _answer(
    database: str, table: str, name: str, rows: int | None, encoded: str | None, detail: str = "", *, is_purge: bool
) -> responses.Deletion:
    return {
        "table": f"{database}.{table}",
        "state": name,
        "rows": rows,
        "id": encoded,
        "purge": is_purge,
        "detail": detail or _DETAILS[name],
    }
