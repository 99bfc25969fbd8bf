"""`/v1/functions`: what SQL can call."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from pipeline.api.http.openapi import answers
from pipeline.api.http.responses import Functions
from pipeline.api.http.services import account
from store.sql.nodes.calls import CALLABLE

router = APIRouter(prefix="/v1/functions", tags=["sql"])


@router.get("", summary="The functions of SQL", **answers(Functions))
async def functions(_: Annotated[str, Depends(account)]) -> Functions:
    """Their names, for editors that complete them; docs/functions.md says what they do."""
    return {"functions": list(CALLABLE)}
