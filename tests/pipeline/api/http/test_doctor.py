"""What the doctor finds is told to administrators, and found once for all who ask."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import replace

import pytest

from pipeline.api.http import checkup
from pipeline.api.http.checkup import FRESH_S, Checkup
from pipeline.api.http.problems import Problem
from tests.support.http_service import HttpService

FINDING = {"check": "disk", "level": "warn", "what": "3 GiB are free", "remedy": "make room"}


class Doctor:
    """Counts its examinations. One that is `held` does not end."""

    def __init__(self) -> None:
        self.examinations = 0
        self.held = threading.Event()
        self.held.set()

    def __call__(self) -> list[Mapping[str, str]]:
        self.examinations += 1
        self.held.wait(60)
        return [FINDING]


async def test_who_asks_at_the_same_time_or_soon_after_is_told_the_same() -> None:
    doctor, now_s = Doctor(), 100.0
    of = Checkup(doctor, lambda: now_s)

    told = await asyncio.gather(of.findings(), of.findings())
    now_s += FRESH_S - 0.1
    await of.findings()
    before = doctor.examinations
    now_s += 0.1
    await of.findings()

    assert told == [[FINDING], [FINDING]]
    assert (before, doctor.examinations) == (1, 2)


async def test_an_examination_that_takes_too_long_is_a_504_and_goes_on_for_the_next_who_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checkup, "LONGEST_S", 0.0)
    doctor, now_s = Doctor(), 100.0
    of = Checkup(doctor, lambda: now_s)
    doctor.held.clear()

    with pytest.raises(Problem, match="the doctor did not end within 0 s") as refused:
        await of.findings()
    now_s += 10 * FRESH_S
    monkeypatch.undo()
    next_one = asyncio.create_task(of.findings())
    doctor.held.set()

    assert refused.value.status == 504
    assert await next_one == [FINDING]
    assert doctor.examinations == 1


async def test_a_process_without_a_doctor_says_so(service: HttpService) -> None:
    async with service.client() as http:
        none = await http.get("/v1/doctor")
        service.app.state.services = replace(service.app.state.services, doctor=Checkup(Doctor()))
        told = await http.get("/v1/doctor")

    assert (none.status_code, none.json()["detail"]) == (404, "this process has no doctor")
    assert told.json() == {"findings": [FINDING]}
