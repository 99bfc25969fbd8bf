"""What `/v1/live` says of an account: its zones and totals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.console.api import Api
from pipeline.console.following import Following


class LiveZones(Following):
    """The zones of an account.

    measure             of which zones have values; None: of the first ones of their tables
    zones               by table and name, as `LiveZone` of the API
    series              how many the account has
    records_per_second  that arrive; None: not known yet
    """

    def __init__(self, api: Api, token: str | None, measure: str | None) -> None:
        super().__init__(api, token, "/v1/live", (("devices", "0"), *((("measure", measure),) if measure else ())))
        self.measure = measure
        self._have_alerts_changed = False
        self._coming: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.zones: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.series = 0
        self.records_per_second: float | None = None

    def alerts_changed(self) -> bool:
        """Whether alerts have changed since this was asked last."""
        changed, self._have_alerts_changed = self._have_alerts_changed, False
        return changed

    def _begin(self) -> None:
        self._have_alerts_changed = True  # while nobody listened
        self._coming = {}

    def _take(self, kind: str, data: Any) -> bool:
        if kind == "zones":
            self._coming |= {(zone["table"], zone["zone"]): zone for zone in data["zones"]}
        elif kind == "alerts":
            self._have_alerts_changed = True
        elif kind == "devices":  # comes after the zones
            self.zones = self._coming
            self.series, self.records_per_second = data["series"], data["records_per_second"]
            return True
        return False
