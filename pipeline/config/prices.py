"""The section `prices` of a streamgauge.yaml: what usage costs, so that a bill can be made of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from pipeline.config.tables import Section

Price = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
HOURS_OF_MONTH = 730  # as cloud services count a month


class Prices(Section):
    """Prices in one currency; what has none costs nothing. A GiB is 2^30 bytes."""

    currency: str = Field(description="of all prices, as in EUR", min_length=1, max_length=12)
    written_gib: Price = Field(default=Decimal(0), description="of a GiB of records written")
    memory_gib_hour: Price = Field(default=Decimal(0), description="of a GiB in the memory tier for an hour")
    magnetic_gib_month: Price = Field(default=Decimal(0), description="of a GiB in the magnetic tier for 730 hours")
    metered_gib: Price = Field(default=Decimal(0), description="of a GiB that queries scan, at least 10 MB each")
