"""What detectors have learnt."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from pipeline.api.http.responses.common import Dimensions, MeasureName, RecordName, Table, ZoneName, one_of, shown
from rules.kinds.standing import Stage


class DetectorsOfZone(TypedDict):
    """What a rule has learnt in one zone: how many series are at each stage."""

    zone: ZoneName
    bound: Annotated[float, Field(description="of -log10 p, in this zone")]
    false: Annotated[int, Field(description="alerts that operators called false, among those that count")]
    right: Annotated[int, Field(description="alerts that they called right")]
    learning: Annotated[int, Field(description="series that no detector judges yet")]
    provisional: Annotated[int, Field(description="series that some detectors judge")]
    live: Annotated[int, Field(description="series that all detectors judge")]
    suppressed: Annotated[int, Field(description="series that are unusual now, and not learnt")]


class DetectorsOfSeries(TypedDict):
    """What a rule has learnt of one series."""

    zone: ZoneName
    measure_name: RecordName
    dimensions: Dimensions
    stage: Annotated[str, one_of(*Stage, description="how far it is")]
    learning: Annotated[list[str], Field(description="the detectors that do not judge it yet")]
    suppressed: Annotated[list[str], Field(description="the detectors that find it unusual, and do not learn")]


class RuleDetectors(TypedDict):
    """What a rule of the kind `detector` has learnt of one table, in one partition."""

    rule: Annotated[str, Field(description="group/alert")]
    table: Table
    measure: MeasureName
    bound: Annotated[float, Field(description="of -log10 p, by its budget")]
    zones: list[DetectorsOfZone]
    series: list[DetectorsOfSeries]


@shown(
    detectors=[
        {
            "rule": "unusual/UnusualCo2",
            "table": "agriculture.readings",
            "measure": "co2",
            "bound": 6.16,
            "zones": [
                {
                    "zone": "gh-01/north",
                    "bound": 6.46,
                    "false": 1,
                    "right": 0,
                    "learning": 1,
                    "provisional": 2,
                    "live": 37,
                    "suppressed": 1,
                }
            ],
            "series": [
                {
                    "zone": "gh-01/north",
                    "measure_name": "climate",
                    "dimensions": {"zone": "north", "sensor": "s-00042"},
                    "stage": "provisional",
                    "learning": ["noise", "drift"],
                    "suppressed": ["spike"],
                }
            ],
        }
    ]
)
class Detectors(TypedDict):
    """What rules of the kind `detector` have learnt."""

    detectors: list[RuleDetectors]
