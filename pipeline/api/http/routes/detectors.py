"""`/v1/detectors`: what rules of the kind `detector` have learnt, by zone and by series."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from pipeline.api.http import responses
from pipeline.api.http.openapi import answers
from pipeline.api.http.problems import Problem
from pipeline.api.http.services import Services, account, services
from pipeline.stream.detectors import RuleDetectors, Wanted
from rules.kinds.standing import Stage

router = APIRouter(prefix="/v1/detectors", tags=["alerts"])


@router.get("", summary="What detectors have learnt", **answers(responses.Detectors, 404))
async def detectors(
    parts: Annotated[Services, Depends(services)],
    account: Annotated[str, Depends(account)],
    table: Annotated[str | None, Query(description="only this database.table")] = None,
    rule: Annotated[str | None, Query(description="only this rule (group/alert)")] = None,
    zone: Annotated[str | None, Query(description="only this zone")] = None,
    series: Annotated[int, Query(ge=0, le=10_000, description="how many series at most, besides the zones")] = 0,
) -> responses.Detectors:
    """The rules of the kind `detector`, as far as the worker that answers judges them."""
    if parts.detectors is None:
        raise Problem(404, "this process has no rules")
    found = await parts.detectors(Wanted(account, table, rule, zone, series))
    return {"detectors": [_shown(one) for one in found]}


def _shown(found: RuleDetectors) -> responses.RuleDetectors:
    return {
        "rule": found.rule.name,
        "table": f"{found.table.database}.{found.table.table}",
        "measure": found.rule.measure,
        "bound": found.bound,
        "zones": [
            {
                "zone": one.zone,
                "bound": one.bound,
                "false": one.false,
                "right": one.right,
                "learning": one.stages[Stage.LEARNING],
                "provisional": one.stages[Stage.PROVISIONAL],
                "live": one.stages[Stage.LIVE],
                "suppressed": one.suppressed,
            }
            for one in found.zones
        ],
        "series": [
            {
                "zone": one.zone,
                "measure_name": key.measure_name,
                "dimensions": dict(key.dimensions),
                "stage": one.stage.value,
                "learning": list(one.learning),
                "suppressed": list(one.suppressed),
            }
            for key, one in found.series
        ],
    }
