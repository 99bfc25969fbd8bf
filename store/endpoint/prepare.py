"""PrepareQuery: a statement is parsed and bound, and nothing is read; its columns and parameters are described.

As in the service, prepared statements are not stored: ValidateOnly has to be true.
"""

from __future__ import annotations

from typing import Any

import msgspec

from store.endpoint.context import Context
from store.endpoint.description import described
from store.endpoint.errors import Validation
from store.endpoint.queries import error_of
from store.processes.job import Job
from store.sql import SqlRequest
from store.sql.errors import SqlError


async def prepare_query(call: Context) -> dict[str, object]:
    """The columns and parameters of a statement. Raises Validation."""
    text = call.request["QueryString"]
    if not call.request.get("ValidateOnly"):
        raise Validation("PrepareQuery is only supported with ValidateOnly set to true.")
    return {"QueryString": text, **await prepare(call, text)}


async def prepare(call: Context, text: str) -> dict[str, Any]:
    """`Columns` and `Parameters` of a statement. Raises Validation."""
    job = Job(SqlRequest(text, call.now_ns, is_prepared=True), described)

    def run() -> dict[str, Any]:
        with call.store.lender(call.account) as lender, call.executor.run(lender, job) as answer:
            found: dict[str, Any] = msgspec.json.decode(b"".join(answer.parts))
        return found

    try:
        return await call.runner.run(run, text=text)
    except SqlError as error:
        raise error_of(error) from error
