"""The systemd units, as systemd reads them; there is no systemd running here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from deploy_files import DEPLOY

from pipeline.operations.cli.group import streamgauge
from pipeline.operations.supervisor.supervisor import GATEWAY_STOP_S, USAGE, WORKER_STOP_S

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
INSTALLED = "/opt/streamgauge/.venv/bin/streamgauge"
MOST_EXPOSED = 2.5  # of 10, of `systemd-analyze security`; below 5 it calls a service OK


def settings_of(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


@pytest.fixture(params=UNITS, ids=lambda unit: unit.name)
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit, with the command that is installed here in the place of that in /opt."""
    text = request.param.read_text(encoding="utf-8")
    assert INSTALLED in text
    # A template is verified as one of its instances.
    copy = tmp_path / request.param.name.replace("@", "@1")
    copy.write_text(text.replace(INSTALLED, str(Path(sys.executable).parent / "streamgauge")))
    return copy


def test_there_is_one_for_all_and_a_template_for_each_process() -> None:
    assert [unit.name for unit in UNITS] == [
        "streamgauge-console.service",
        "streamgauge-gateway@.service",
        "streamgauge-worker@.service",
        "streamgauge.service",
    ]


@pytest.mark.processes
def test_systemd_finds_nothing_wrong_with_it(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.processes
def test_it_may_do_little_more_than_it_needs(unit: Path) -> None:
    threshold = f"--threshold={MOST_EXPOSED * 10:.0f}"
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", threshold, unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stdout[-500:]


@pytest.mark.parametrize("path", UNITS, ids=lambda unit: unit.name)
def test_its_end_its_reload_and_its_restarts_are_the_commands(path: Path) -> None:
    settings = settings_of(path)
    command, *options = settings["ExecStart"][0].removeprefix(INSTALLED).replace("%i", "1").split()
    context = streamgauge.make_context("streamgauge", ["--help"], resilient_parsing=True)
    found = streamgauge.get_command(context, command)

    assert found is not None
    found.make_context(command, options)
    assert int(settings["TimeoutStopSec"][0]) > GATEWAY_STOP_S + WORKER_STOP_S
    assert settings["RestartPreventExitStatus"] == [str(USAGE)]
    assert settings["ExecReload"] == ["/bin/sh -c 'kill -HUP $MAINPID'"]
    assert int(settings["LimitNOFILE"][0]) >= 1 << 20
    assert settings["User"] == ["streamgauge"]


def test_no_two_workers_have_a_data_dir_in_common() -> None:
    (command,) = settings_of(DEPLOY / "systemd" / "streamgauge-worker@.service")["ExecStart"]

    assert "--data-dir /var/lib/streamgauge/worker-%i" in command
