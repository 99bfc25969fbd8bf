from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from supervised import CHILD, Starter, is_alive, until

FAILS = "import sys; print('no such thing', flush=True); sys.exit(7)"
# Fails once there is a journal, and then each time it is started again.
FAILS_WHEN_TOLD = CHILD.replace("while True:", "while not os.path.exists(journal):").replace(
    "time.sleep(60)", "time.sleep(0.02)\nsys.exit(7)"
)
STUBBORN = CHILD.replace("signal.signal(signal.SIGTERM, end)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")


def test_both_children_listen_on_the_free_ports_that_are_told(start_up: Starter) -> None:
    up = start_up()

    state = up.wait_ready()

    for name in ("mqtt", "http"):
        host, _, port = state[name].rpartition(":")
        socket.create_connection((host, int(port))).close()
    assert f"ready: MQTT listening on {state['mqtt']}, HTTP API on http://{state['http']}" in up.log.read_text()


def test_the_gateway_ends_before_the_worker_and_nothing_is_left(start_up: Starter) -> None:
    up = start_up()
    state = up.wait_ready()

    code = up.end(signal.SIGTERM)

    assert code == 0
    assert up.journal.read_text().split() == ["gateway", "worker"]
    assert not any(is_alive(pid) for pid in state["children"].values())
    assert up.state() == {}


def test_ctrl_c_reaches_up_alone_and_ends_it_as_sigterm_does(start_up: Starter) -> None:
    up = start_up()
    up.wait_ready()

    os.killpg(up.process.pid, signal.SIGINT)  # what a terminal does

    assert up.process.wait(60) == 0
    assert up.journal.read_text().split() == ["gateway", "worker"]


def test_children_end_when_up_is_killed(start_up: Starter) -> None:
    up = start_up()
    children = up.wait_ready()["children"].values()

    up.end(signal.SIGKILL)

    until(lambda: not any(is_alive(pid) for pid in children))
    assert not up.journal.exists()


@pytest.mark.parametrize("name", ["gateway", "worker"])
def test_a_killed_child_is_started_again_at_once_on_its_old_port(start_up: Starter, name: str) -> None:
    up = start_up()
    before = up.wait_ready()

    os.kill(before["children"][name], signal.SIGKILL)
    until(lambda: up.state()["children"][name] not in (None, before["children"][name]))

    after = up.state()
    host, _, port = after["mqtt" if name == "gateway" else "http"].rpartition(":")
    until(lambda: _accepts(host, int(port)))
    assert (after["mqtt"], after["http"]) == (before["mqtt"], before["http"])
    assert f"{name} was killed by SIGKILL; starting it again\n" in up.log.read_text()


def test_a_child_that_keeps_failing_waits_longer_each_time(start_up: Starter) -> None:
    up = start_up(worker=FAILS_WHEN_TOLD)
    up.wait_ready()

    up.journal.touch()

    until(lambda: "starting it again in 0.5 s" in up.log.read_text())
    assert up.log.read_text().count("worker ended with exit code 7; starting it again\n") == 1


def test_a_child_that_fails_from_the_start_ends_up_with_its_exit_code_and_its_words(start_up: Starter) -> None:
    up = start_up(worker=FAILS)

    assert up.process.wait(60) == 7
    assert "no such thing" in up.log.read_text()
    assert up.state() == {}


def test_a_child_that_does_not_end_in_time_is_killed(start_up: Starter) -> None:
    up = start_up(gateway=STUBBORN, gateway_stop_s=0.5)
    gateway = up.wait_ready()["children"]["gateway"]

    assert up.end() == 0
    assert "gateway did not end within 0.5 s and is killed" in up.log.read_text()
    assert not is_alive(gateway)


def test_a_worker_that_ends_while_the_gateway_is_being_stopped_is_not_started_again(start_up: Starter) -> None:
    """A service manager sends SIGTERM to every process of the service at once."""
    up = start_up(gateway=STUBBORN, gateway_stop_s=3.0)
    worker = up.wait_ready()["children"]["worker"]

    up.process.send_signal(signal.SIGTERM)
    until(lambda: "ending: " in up.log.read_text())
    os.kill(worker, signal.SIGTERM)

    assert up.process.wait(60) == 0
    assert up.journal.read_text().split() == ["worker"]
    assert "again\n" not in up.log.read_text()


def test_a_second_signal_kills_at_once(start_up: Starter) -> None:
    up = start_up(gateway=STUBBORN.replace("60", "61"), worker=STUBBORN)
    up.wait_ready()

    up.process.send_signal(signal.SIGINT)
    until(lambda: "ending: " in up.log.read_text())

    assert up.end(signal.SIGINT) == 0


def test_a_second_up_on_a_folder_is_refused_and_told_who_has_it(start_up: Starter) -> None:
    first = start_up()
    first.wait_ready()

    second = start_up(first.data_dir)

    assert second.process.wait(60) == 1
    assert f"DataDirLocked: {first.data_dir} is in use: process {first.process.pid} (" in second.log.read_text()
    assert first.state()["pid"] == first.process.pid


def test_a_folder_whose_up_was_killed_is_free_at_once(start_up: Starter) -> None:
    first = start_up()
    first.wait_ready()
    first.end(signal.SIGKILL)

    second = start_up(first.data_dir)

    assert second.wait_ready()["pid"] == second.process.pid


def test_a_taken_port_is_refused_and_told_who_holds_it(start_up: Starter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        up = start_up(mqtt=f"127.0.0.1:{port}")

        assert up.process.wait(60) == 1

    message = f"PortTaken: listener.address: port {port} of 127.0.0.1 is taken by process {os.getpid()} ("
    assert message in up.log.read_text()


def test_a_port_that_another_up_keeps_is_taken_though_both_would_share_it(start_up: Starter, tmp_path: Path) -> None:
    first = start_up()
    state = first.wait_ready()

    second = start_up(tmp_path / "other", http=state["http"])

    assert second.process.wait(60) == 1
    assert f"is taken by process {state['children']['worker']} (" in second.log.read_text()


def _accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port)).close()
    except ConnectionRefusedError:
        return False
    return True
