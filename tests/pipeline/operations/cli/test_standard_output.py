"""Standard output that is full, closed, left by its reader or of another encoding: one line or none, and a code."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

COMMAND = (sys.executable, "-P", "-m", "pipeline.operations.cli")


def run(arguments: Sequence[str], stdout: int | str, **environ: str) -> tuple[int, str]:
    """The exit code and standard error of the command with this file or redirection as its standard output."""
    command: Sequence[str] = (*COMMAND, *arguments)
    if isinstance(stdout, str):
        command, stdout = ("sh", "-c", f'"$@" {stdout}', "sh", *command), subprocess.DEVNULL
    ended = subprocess.run(
        command, stdout=stdout, stderr=subprocess.PIPE, text=True, env=os.environ | environ, check=False, timeout=60
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("arguments", [["config", "schema"], ["--help"]], ids=" ".join)
def test_a_full_disk_is_one_line_and_exit_code_1(arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = run(arguments, full.fileno())

    assert ended == (1, "Error: standard output cannot be written: No space left on device\n")


def test_a_closed_standard_output_is_one_line_and_exit_code_1() -> None:
    assert run(["config", "schema"], ">&-") == (
        1,
        "Error: standard output is closed: there is nowhere to write the answer\n",
    )


@pytest.mark.parametrize("arguments", [["config", "schema"], ["--help"]], ids=" ".join)
def test_a_reader_that_has_gone_ends_the_command_silently_as_sigpipe_would(arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)

    ended = run(arguments, write)

    os.close(write)
    assert ended == (141, "")


def test_no_encoding_makes_printing_fail(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("data_dir: ./größe\n", encoding="utf-8")
    out = tmp_path / "out"

    with out.open("wb") as file:
        ended = run(["config", "show", "--config", str(tmp_path / "a.yaml")], file.fileno(), PYTHONIOENCODING="ascii")

    assert ended == (0, "")
    assert b"gr\\xf6\\xdfe" in out.read_bytes()
