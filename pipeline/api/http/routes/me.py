"""`/v1/me`: who a token is."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from pipeline.api.http.credentials import Who
from pipeline.api.http.openapi import answers
from pipeline.api.http.responses import Me
from pipeline.api.http.services import Services, services, who

router = APIRouter(prefix="/v1/me", tags=["operations"])


@router.get("", summary="The account and the role of the request", **answers(Me))
async def me(parts: Annotated[Services, Depends(services)], who: Annotated[Who, Depends(who)]) -> Me:
    """What the token of the request may see and do; without configured tokens, what everybody may."""
    return {"account": who.account, "role": who.role.value, "tokens": parts.credentials.are_needed}
