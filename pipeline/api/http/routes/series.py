"""`/v1/series`: the series of an account by text, page by page, with their last values."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query

from pipeline.api.http import responses
from pipeline.api.http.openapi import answers
from pipeline.api.http.problems import bad_parameter
from pipeline.api.http.routes.latest import named
from pipeline.api.http.services import Services, asker, services
from pipeline.api.http.showing import shown_series
from pipeline.api.http.slots import Asker
from pipeline.api.http.times import time_ns
from pipeline.api.inventory.search import FoundSeries, SeriesRequest

router = APIRouter(prefix="/v1/series", tags=["series"])

MOST_WORDS = 10
_cursor_decoder = msgspec.msgpack.Decoder(tuple[str, str])


@router.get("", summary="Series, found by text, with their last values", **answers(responses.SeriesFound, 409, 504))
async def series(
    parts: Annotated[Services, Depends(services)],
    asker: Annotated[Asker, Depends(asker)],
    q: Annotated[
        str, Query(max_length=200, description="words that are in NAME=VALUE of dimensions, zone, or measure name")
    ] = "",
    table: Annotated[str | None, Query(description="only this database.table")] = None,
    zone: Annotated[str | None, Query(description="only this zone")] = None,
    dimension: Annotated[
        list[str] | None, Query(description="only series with this dimension, as in sensor=s-00042")
    ] = None,
    values: Annotated[bool, Query(description="whether with the last values of the first 16 measures")] = True,
    start: Annotated[str, Query(alias="from", description="RFC 3339, or how long ago: no value is older")] = "1d",
    after: Annotated[str | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> responses.SeriesFound:
    """By table and dimensions. A series matches if it has each of the words, in upper or lower case."""
    words = tuple(q.split())
    if len(words) > MOST_WORDS:
        raise bad_parameter("q", q, f"at most {MOST_WORDS} words")
    request = SeriesRequest(
        asker.account,
        table,
        zone,
        words,
        tuple(named(one) for one in dimension or ()),
        None if after is None else _key_in(after),
        limit,
        values,
        time_ns("from", start, parts.clock_ns()),
    )
    page = await parts.lists.run(asker, lambda: parts.directory.search(request), text="series")
    is_last = len(page.series) < limit
    return {
        "series": [shown_series(found, parts.routes) for found in page.series],
        "matched": page.matched,
        "next": None if is_last else _cursor_of(page.series[-1]),
    }


def _cursor_of(found: FoundSeries) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(found.key)).decode().rstrip("=")


def _key_in(cursor: str) -> tuple[str, str]:
    """The key in a cursor. Raises Problem."""
    try:
        return _cursor_decoder.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise bad_parameter("after", cursor, "`next` of the page before") from None
