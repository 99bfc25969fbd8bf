"""`/v1/doctor`: what is wrong with this installation, with the remedies."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Depends

from pipeline.api.http import responses
from pipeline.api.http.credentials import Who
from pipeline.api.http.openapi import answers
from pipeline.api.http.problems import Problem
from pipeline.api.http.services import Services, services, who
from pipeline.config.roles import Role

router = APIRouter(prefix="/v1/doctor", tags=["operations"])


@router.get("", summary="What is wrong with this installation", **answers(responses.Examined, 403, 404, 504))
async def doctor(
    parts: Annotated[Services, Depends(services)], who: Annotated[Who, Depends(who)]
) -> responses.Examined:
    """What `streamgauge doctor` says on the machine of the worker that answers; at most 15 s old. Needs `admin`."""
    who.need(Role.ADMIN, "asking the doctor")
    if parts.doctor is None:
        raise Problem(404, "this process has no doctor")
    return {"findings": cast("list[responses.Finding]", await parts.doctor.findings())}
