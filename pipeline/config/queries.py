"""The section `queries` of a streamgauge.yaml: what SQL may use, so that no query is at the stream's expense."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from pipeline.base.quantities import Duration, SizeBytes
from pipeline.config.problems import refuse
from pipeline.config.tables import Section
from store.processes.limits import MIB, QueryLimits
from store.values.yaml_text import Problem

_DEFAULTS = QueryLimits()
LEAST_MEMORY_BYTES = 64 * MIB  # DuckDB needs some before it reads the first row


class Queries(Section):
    """The limits of queries."""

    timeout: Duration = Field(default=timedelta(minutes=1), description="of one query; averages have 30s at most")
    memory: SizeBytes = Field(default=_DEFAULTS.memory_bytes, ge=LEAST_MEMORY_BYTES, description="of one SQL query")
    result_rows: int = Field(
        default=_DEFAULTS.result_rows, ge=1, description="/v1/query cuts the others off; Timestream's Query refuses"
    )
    result_bytes: SizeBytes = Field(default=_DEFAULTS.result_bytes, ge=MIB, description="of a result, in memory")
    pages: SizeBytes = Field(
        default=64 * MIB, ge=MIB, description="Timestream: of an account's results that are not fetched completely"
    )
    slots: int = Field(default=4, ge=1, le=64, description="queries that run at once")
    slots_per_account: int = Field(default=2, ge=1, description="of these, of one account")
    waiting: int = Field(default=256, ge=1, description="queries that wait for a slot; further ones are refused")
    waiting_per_account: int = Field(default=64, ge=1, description="of these, of one account")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.result_bytes > self.memory:
            message = f"is {self.result_bytes} bytes, and a query may use {self.memory} in all (queries.memory)"
            refuse([Problem(("result_bytes",), message)])
        return self

    @property
    def limits(self) -> QueryLimits:
        """What one query may use."""
        return QueryLimits(self.memory, self.result_rows, self.result_bytes)
