"""`streamgauge detectors status` says to a person why its list is empty."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.operations.cli import detectors
from pipeline.operations.cli.group import run
from pipeline.operations.client import Client

ZONE = {"zone": "gh-1/north", "learning": 1, "provisional": 0, "live": 2, "suppressed": 0, "bound": 5.5}
RULE = {"rule": "g/Odd", "table": "farm.climate", "measure": "t", "bound": 5.5, "series": []}


@pytest.mark.parametrize(
    ("answered", "hint"),
    [
        ([], "no such rule of the kind detector is in force"),
        ([{**RULE, "zones": []}], "no series yet: the first is there when a window of its zone has closed"),
        ([{**RULE, "zones": [{**ZONE, "false": 0, "right": 0}]}], None),
    ],
)
def test_an_empty_list_is_explained(
    answered: list[dict[str, Any]], hint: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(Client, "get", lambda *_, **__: {"detectors": answered})
    monkeypatch.setattr(detectors, "note", told.append)

    assert run(["detectors", "status"]) == 0

    assert told == ([] if hint is None else [hint])
