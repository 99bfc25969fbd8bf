"""How the command begins and ends: what it imports, what it says, and its exit codes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.base import errors
from pipeline.base.quantities import Address
from pipeline.config.load import load
from pipeline.operations.cli import group
from pipeline.operations.cli.commands import COMMANDS
from pipeline.operations.cli.up import child_command, status
from pipeline.operations.supervisor.status import WorkerStatus
from pipeline.operations.supervisor.supervisor import Addresses
from rules.errors import RuleFileError
from store.errors import StoreError
from tests.support.commands import COMMAND

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in a folder of its own, within this process."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("STREAMGAUGE_"):
            monkeypatch.delenv(name)

    def of(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        with monkeypatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            code = group.run(list(arguments))
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return of


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_is_listed_is_there(name: str) -> None:
    result = CliRunner().invoke(group.streamgauge, [name, "--help"])

    assert result.exit_code == 0, result.output
    assert "Usage: " in result.output


@pytest.mark.processes
def test_help_lists_every_command_and_imports_none_of_them() -> None:
    heavy = ("numpy", "pyarrow", "pydantic", "faust", "duckdb", "httpx", "rich", "yaml", "prometheus_client")
    script = (
        "import sys; from pipeline.operations.cli.group import run; run(['--help']);"
        f"print('IMPORTED', [name for name in {heavy!r} if name in sys.modules])"
    )

    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert "IMPORTED []" in shown
    assert [name for name, entry in COMMANDS.items() if f"  {name}" not in shown or entry.help[:20] not in shown] == []


def test_wrong_usage_ends_with_2(run: Run) -> None:
    ended = run("upp")

    assert ended.returncode == 2
    assert "No such command 'upp'" in ended.stderr


def test_a_wrong_configuration_ends_with_2_and_all_its_problems(run: Run, tmp_path: Path) -> None:
    (tmp_path / "streamgauge.yaml").write_text("htp: 1\nmemory_limit: lots\n")

    ended = run("up")

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.splitlines()[0].startswith('Error: streamgauge.yaml:1: htp: "htp" is not a key known here')
    assert ended.stderr.splitlines()[1].startswith('streamgauge.yaml:2: memory_limit: "lots" is not a size')


def test_the_configuration_can_be_named_by_option_and_by_environment(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("memory_limit: 7MiB")

    by_option = run("config", "show", "--config", "other.yaml")
    by_environment = run("config", "show", STREAMGAUGE_CONFIG="other.yaml")

    assert "memory_limit: 7MiB  # other.yaml:1" in by_option.stdout
    assert by_environment.stdout == by_option.stdout


def test_a_configuration_that_is_not_there_is_named(run: Run) -> None:
    ended = run("config", "show", "--config", "gone.yaml")

    assert (ended.returncode, ended.stderr) == (2, "Error: gone.yaml: cannot be read: No such file or directory\n")


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_what_is_allowed_but_should_be_known_is_told_beside_the_configuration(
    run: Run, tmp_path: Path, form: str
) -> None:
    tables = "[{name: farm.all, topics: '#'}, {name: farm.hidden, topics: 'a/{d}'}]"
    (tmp_path / "streamgauge.yaml").write_text(f"tables: {tables}")

    ended = run("config", "show", "--format", form)

    assert ended.returncode == 0
    assert ended.stderr.startswith("Warning: farm.hidden gets rows by WriteRecords alone")


def test_init_writes_a_file_that_loads_and_never_overwrites(run: Run, tmp_path: Path) -> None:
    first = run("config", "init")
    file = tmp_path / "streamgauge.yaml"
    file.write_text(file.read_text() + "# mine\n")
    second = run("config", "init")

    assert first.returncode == 0, first.stderr
    assert load(file, {}, {}).config.tables[0].name == "agriculture.readings"
    assert (second.returncode, second.stderr) == (
        1,
        "Error: streamgauge.yaml is there already; name another file, or move it away\n",
    )
    assert file.read_text().endswith("# mine\n")


@pytest.mark.processes
def test_a_gateway_alone_says_who_holds_its_port_too(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        command = [*COMMAND, "gateway", "--mqtt", f"127.0.0.1:{port}"]

        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert f"Error: listener.address: port {port} of 127.0.0.1 is taken by process {os.getpid()} (" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_rules_check_says_no_with_1_and_yes_with_0(run: Run, tmp_path: Path) -> None:
    rule = "{alert: TooHot, measure: temperature, range: {max: 30}}"
    (tmp_path / "good.yaml").write_text(f"groups: [{{name: g, table: farm.air, rules: [{rule}]}}]")
    (tmp_path / "bad.yaml").write_text("groups:\n- {name: g, table: farm.air, rulse: []}")

    good, bad = run("rules", "check", "good.yaml"), run("rules", "check", "good.yaml", "bad.yaml")

    assert (good.returncode, good.stdout) == (0, "1 rule in 1 file: fine\n"), good.stderr
    assert bad.returncode == 1
    assert "bad.yaml:2: " in bad.stderr
    assert "Traceback" not in bad.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("x"), 2),
        (errors.ServerUnreachable("x"), 3),
        (errors.LogLocked("x"), 1),
        (RuleFileError([]), 1),
        (StoreError("x"), 1),
    ],
)
def test_errors_of_our_trees_have_their_exit_codes(error: Exception, code: int) -> None:
    assert group.is_ours(error)
    assert group.exit_code_of(error) == code


def test_an_error_of_no_tree_is_a_bug_and_keeps_its_traceback() -> None:
    assert not group.is_ours(ValueError("x"))
    assert not group.is_ours(OSError("x"))


def test_children_get_the_resolved_addresses_and_never_the_folder_they_stand_in(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("data_dir: here\nlistener: {address: '127.0.0.1:0'}")
    loaded = load(tmp_path / "a.yaml", {}, {})

    command = child_command(
        "gateway", loaded, Addresses(Address("127.0.0.1", 5), Address("127.0.0.1", 6), Address("127.0.0.1", 7))
    )

    assert command[:5] == (sys.executable, "-P", "-m", "pipeline.operations.cli", "gateway")
    assert command[5:] == (
        *("--config", str(tmp_path / "a.yaml"), "--data-dir", str(tmp_path / "here")),
        *("--mqtt", "127.0.0.1:5", "--http", "127.0.0.1:6", "--console", "127.0.0.1:7"),
    )


def test_the_status_line_counts_what_came_since_it_looked_last() -> None:
    before = WorkerStatus(messages=100, alerts=1, lag_s=0.0, connections=5)
    now = WorkerStatus(messages=20_100, alerts=2, lag_s=0.25, connections=2_000)

    assert status(before, now, 2.0) == "10,000 messages/s · 20,100 in all · 2,000 connections · 0.2 s behind · 2 alerts"


def test_the_status_line_says_when_the_worker_does_not_answer_and_never_a_negative_rate() -> None:
    now = WorkerStatus(messages=5, alerts=0, lag_s=0.0, connections=0)

    assert status(now, None, 2.0) == "… the worker does not answer"
    assert status(WorkerStatus(9_000, 0, 0.0, 0), now, 2.0).startswith("0 messages/s · 5 in all")
    assert status(None, now, 2.0).startswith("0 messages/s · 5 in all")
