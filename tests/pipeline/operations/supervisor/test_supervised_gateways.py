"""`up` with several gateways on one port, and what SIGHUP does."""

from __future__ import annotations

import os
import signal

from supervised import CHILD, Starter, until

STUBBORN = CHILD.replace(
    "signal.signal(signal.SIGTERM, end)",
    "signal.signal(signal.SIGTERM, signal.SIG_IGN if name == 'gateway-1' else end)",
)
HEEDS_SIGHUP = CHILD.replace(
    "print(name",
    "signal.signal(signal.SIGHUP, lambda *_: print(name, 'hangs up', flush=True))\nprint(name",
)


def test_each_gateway_has_a_name_and_all_listen_on_one_port(start_up: Starter) -> None:
    up = start_up(gateways=3)

    state = up.wait_ready()

    assert list(state["children"]) == ["gateway-1", "gateway-2", "gateway-3", "worker"]
    until(lambda: all(f"{name} listens" in up.log.read_text() for name in state["children"]))


def test_one_that_is_killed_is_started_again_and_the_others_stay(start_up: Starter) -> None:
    up = start_up(gateways=2)
    before = up.wait_ready()["children"]

    os.kill(before["gateway-2"], signal.SIGKILL)

    until(lambda: up.state()["children"]["gateway-2"] not in {None, before["gateway-2"]})
    after = up.state()["children"]
    assert [name for name in before if before[name] == after[name]] == ["gateway-1", "worker"]


def test_no_gateway_waits_for_another_and_the_worker_waits_for_all(start_up: Starter) -> None:
    up = start_up(gateway=STUBBORN, gateways=2, gateway_stop_s=3.0)
    up.wait_ready()
    until(lambda: up.log.read_text().count("listens") == 3)

    assert up.end(signal.SIGTERM) == 0

    assert up.journal.read_text().split() == ["gateway-2", "worker"]
    assert "gateway-1 did not end within 3 s and is killed" in up.log.read_text()


def test_sighup_is_passed_on_to_every_child(start_up: Starter) -> None:
    up = start_up(gateway=HEEDS_SIGHUP, worker=HEEDS_SIGHUP, gateways=2)
    children = up.wait_ready()["children"]
    until(lambda: up.log.read_text().count("listens") == 3)

    os.kill(up.process.pid, signal.SIGHUP)

    until(lambda: all(f"{name} hangs up" in up.log.read_text() for name in children))
    assert up.state()["children"] == children


def test_a_child_that_does_not_listen_to_sighup_lives_on(start_up: Starter) -> None:
    up = start_up(gateway=HEEDS_SIGHUP)
    children = up.wait_ready()["children"]
    until(lambda: up.log.read_text().count("listens") == 2)

    os.kill(up.process.pid, signal.SIGHUP)

    until(lambda: "gateway hangs up" in up.log.read_text())
    assert up.end(signal.SIGTERM) == 0
    assert "killed by SIGHUP" not in up.log.read_text()
    assert up.journal.read_text().split() == list(children)
