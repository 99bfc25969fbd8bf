"""The table "streamgauge"."alerts" of each account: its columns and its retention."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from pipeline.config.tables import Retention, Section
from store.catalog.catalog import TableSettings
from store.names import MeasureType

TABLE = "alerts"
DIMENSIONS = ("rule", "table_name", "zone", "measure", "dimensions")
_TEXTS = (
    *("alert_id", "kind", "status", "severity", "summary", "labels", "reason", "muted"),
    *("acknowledged_by", "acknowledged_why", "acknowledged_until"),
    *("verdict", "feedback_by", "feedback_comment"),
)
MEASURES = {
    **dict.fromkeys(_TEXTS, MeasureType.VARCHAR),
    "value": MeasureType.DOUBLE,
    "since": MeasureType.TIMESTAMP,
}
"""The types of the measures."""


class AlertHistory(Section):
    """How long transitions of alerts are kept."""

    retention: Retention = Field(default=Retention(memory=timedelta(days=1)), description="of the table of alerts")

    @property
    def settings(self) -> TableSettings:
        """The settings of the table in the store."""
        return TableSettings(
            memory_retention=self.retention.memory,
            magnetic_retention=self.retention.magnetic,
            magnetic_writes=True,
            from_config=True,
            types=MEASURES,
            dimensions=DIMENSIONS,
        )
