"""What a gateway knows of its brokers survives a power failure: its id, its subscriptions, the last messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.gateway.brokers.identity import Identity
from pipeline.gateway.brokers.seen import Seen
from tests.support.power.short import record_work, states

WORK = """
import sys
from pathlib import Path
from pipeline.gateway.brokers.identity import Identity
from pipeline.gateway.brokers.seen import Seen
from tests.support.power.journal import Recorder
mark = Recorder(*map(Path, sys.argv[1:])).mark
identity = Identity(Path(sys.argv[2], "data", "brokers"))
mark(f"id {identity._random_id}")
seen = Seen(identity.seen_file("c"))
for number in range(4):
    identity.ask("c", [f"t/{number}"])
    mark(f"asked t/{number}")
    identity.remember("c", [f"t/{number}"])
    mark(f"granted t/{number}")
    seen.note([f"t/{number}"], [b"last"])
    seen.save(seen.snapshot())
    mark(f"seen t/{number}")
"""


@pytest.mark.processes
def test_what_was_said_to_a_broker_is_known_after_a_power_failure(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """An id that a broker knows is the same again, and no filter stays subscribed that is not known."""
    before, place = tmp_path / "before", tmp_path / "cut"
    for folder in (before, tmp_path / "disk"):
        (folder / "data").mkdir(parents=True)
    records = record_work(tmp_path, tmp_path / "disk", WORK)

    for what, marks in states(before, records, place, most=6 * request.config.getoption("--power-cuts")):
        said = [mark.split() for mark in marks]
        last = dict(said)
        identity = Identity(place / "data" / "brokers")
        seen = Seen(identity.seen_file("c"))
        try:
            assert identity._random_id == last.get("id", identity._random_id), what
            assert last.get("asked") is None or last["asked"] <= max(identity.may_have("c")), what
            assert last.get("granted") is None or last["granted"] <= max(identity.may_have("c")), what
            assert [of for kind, of in said if kind == "seen" and not seen.has(of, b"last")] == [], what
        finally:
            identity.release()
