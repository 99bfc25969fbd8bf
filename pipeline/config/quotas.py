"""The section `quotas` of a streamgauge.yaml: how much of this server an account may use."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from pipeline.base.quantities import SizeBytes
from pipeline.config.tables import Section

OTHERS = "*"


class Quota(Section):
    """The quota of one account; what is left out is not limited."""

    messages_per_second: float | None = Field(
        default=None, gt=0, description="by MQTT, at each gateway; and records by WriteRecords, at each worker"
    )
    series: int | None = Field(default=None, ge=1, description="in one worker; in place of `limits.series`")
    stored: SizeBytes | None = Field(default=None, description="of its tables in the magnetic tier")
    queries: int | None = Field(default=None, ge=1, description="that run or wait at once, at each worker")
    scanned_per_day: SizeBytes | None = Field(default=None, description="by its queries, from 00:00 UTC on")


NONE = Quota()


def quota_of(quotas: Mapping[str, Quota], account: str) -> Quota:
    """The quota of an account: its own, or that of the others."""
    return quotas.get(account) or quotas.get(OTHERS) or NONE
