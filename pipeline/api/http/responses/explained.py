"""Why an alert fired."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from pipeline.api.http.responses.alerts import A_ALERT, Alert
from pipeline.api.http.responses.common import Dimensions, Time, one_of, shown
from rules.alerts.transition import Status

_LevelOfRule = TypedDict("_LevelOfRule", {"for": Annotated[str, Field(description="a time, or samples")]})


class LevelOfRule(_LevelOfRule):
    """A level of a rule, from the least severe."""

    name: Annotated[str, Field(description="info, warning, critical; empty if there is one")]
    bounds: Annotated[dict[str, float], Field(description="`min`, `max`")]
    clear: Annotated[dict[str, float], Field(description="inside which it resolves")]
    bands: Annotated[int, Field(description="how many bands of time have other bounds")]
    clear_for: Annotated[str, Field(description="a time, or samples")]
    keep_firing_for: Annotated[str, Field(description="how long it fires at least")]


class ExplainedRule(TypedDict):
    """The rule of an alert, as it is now."""

    rule: Annotated[str, Field(description="group/alert")]
    file: Annotated[str, Field(description="that defines it")]
    kind: Annotated[str, Field(description="as range")]
    measures: Annotated[list[str], Field(description="whose samples it needs")]
    levels: Annotated[list[LevelOfRule], Field(description="from the least severe")]


class ExplainedValue(TypedDict):
    """A value that was compared with the bounds."""

    time: Annotated[Time, Field(description="of the sample or the end of the window")]
    value: Annotated[float, Field(description="what the kind of the rule makes of the samples")]
    bounds: Annotated[dict[str, float], Field(description="of the least severe level at that time")]
    phase: Annotated[str, Field(description="ok, pending or firing, from then on")]


class ExplainedPeer(TypedDict):
    """A sensor of the zone, in the window that decided."""

    dimensions: Dimensions
    samples: Annotated[int, Field(description="how many")]
    average: Annotated[float, Field(description="of these")]
    min: Annotated[float, Field(description="the lowest of these")]
    max: Annotated[float, Field(description="the highest of these")]


class ExplainedEvent(TypedDict):
    """What the rule, or one that it is composed of, told."""

    time: Annotated[Time, Field(description="of the sample, or of the end of the window")]
    rule: Annotated[str, Field(description="group/alert")]
    status: Annotated[str, one_of(*Status, description="of the alert from then on")]
    value: Annotated[float | None, Field(description="that caused it; null where none did")]
    labels: Annotated[dict[str, str], Field(description="of the rule")]


_EXPLAINED_RULE = {
    "rule": "greenhouse-climate/TooHot",
    "file": "rules/greenhouse.yaml",
    "kind": "range",
    "measures": ["temperature"],
    "levels": [
        {
            "name": "",
            "bounds": {"max": 32.0},
            "clear": {"max": 30.0},
            "bands": 0,
            "for": "2m",
            "clear_for": "0s",
            "keep_firing_for": "0s",
        }
    ],
}


_Explained = TypedDict("_Explained", {"from": Annotated[Time, Field(description="since when rows were read")]})


@shown(
    **{"from": "2026-11-23T09:46:00Z"},
    alert=A_ALERT,
    rule=_EXPLAINED_RULE,
    to="2026-11-23T10:02:05Z",
    reproduced=True,
    values=[{"time": "2026-11-23T10:02:05Z", "value": 33.1, "bounds": {"max": 32}, "phase": "firing"}],
    explanation=None,
    peers=[],
    events=[],
    steps=["2026-11-23T10:02:05Z: 33.1 is above max 32: firing"],
)
class Explained(_Explained):
    """Why an alert fired."""

    alert: Alert
    rule: ExplainedRule
    to: Annotated[Time, Field(description="until when rows were read")]
    reproduced: Annotated[bool, Field(description="whether these rows alone give the same alert")]
    values: Annotated[list[ExplainedValue], Field(description="what was judged of it, the last 500")]
    explanation: Annotated[
        dict[str, str | float | None] | None,
        Field(description="of a detector, what it knew when the alert fired: the detector, expected, lower, upper, p"),
    ]
    peers: Annotated[
        list[ExplainedPeer], Field(description="of `zone`, `peers` and `detector`: the sensors of the zone")
    ]
    events: Annotated[list[ExplainedEvent], Field(description="of the rule, and of those that it is composed of")]
    steps: Annotated[list[str], Field(description="the decision in sentences")]
