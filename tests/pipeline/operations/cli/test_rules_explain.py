"""`streamgauge rules explain` prints the rule, the steps and the values of the server's answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.operations.cli.group import run
from pipeline.operations.client import Client

ANSWER: dict[str, Any] = {
    "alert": {"rule": "g/Hot", "status": "firing", "since": "2026-11-23T10:00:00Z", "dimensions": {"sensor": "s1"}},
    "rule": {
        "kind": "zone",
        "measures": ["t"],
        "file": "r.yaml",
        "levels": [{"name": "warning", "bounds": {"max": 32.0}, "clear": {"max": 30.0}, "for": "2m"}],
    },
    "steps": ["2026-11-23T10:00:05Z: 33 is above max 32: firing"],
    "values": [{"time": "2026-11-23T10:00:05Z", "value": 33.0, "bounds": {"max": 32.0}, "phase": "firing"}],
    "peers": [{"dimensions": {"sensor": "s2"}, "samples": 3, "average": 31.5, "min": 31.0, "max": 32.0}],
    "explanation": None,
    "reproduced": False,
}


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(_: Client, *path: str) -> dict[str, Any]:
        assert path == ("v1", "alerts", "a1", "explain")
        return ANSWER

    monkeypatch.setattr(Client, "get", get)


def test_a_person_reads_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules", "explain", "a1"]) == 0

    told = capsys.readouterr().out
    for part in (
        "g/Hot firing since",
        "zone over t, r.yaml",
        "warning: bounds {'max': 32.0}",
        *ANSWER["steps"],
        "31.5",
    ):
        assert part in told
    assert "these rows alone do not give the alert" in told


def test_a_program_gets_the_whole_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules", "explain", "a1", "--format", "json"]) == 0

    assert json.loads(capsys.readouterr().out) == ANSWER
