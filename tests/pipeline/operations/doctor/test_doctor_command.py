"""`streamgauge doctor` as an operator runs it, on data_dirs, ports, disks and limits that are really so."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline.base.layout import Layout
from pipeline.base.process import end_with_parent
from pipeline.operations.cli.group import run
from tests.support.commands import COMMAND
from tests.support.product import FREE_PORTS, Product
from tests.support.waiting import wait_for


@dataclass(frozen=True)
class Said:
    code: int
    findings: list[dict[str, Any]]
    err: str

    def of(self, check: str) -> list[tuple[str, str]]:
        return [(found["level"], found["what"]) for found in self.findings if found["check"] == check]

    @property
    def failed(self) -> list[dict[str, Any]]:
        return [found for found in self.findings if found["level"] == "fail"]


def words(folder: Path, config: str, *options: str) -> list[str]:
    """The arguments of the command, on `folder`/data."""
    file = folder / "streamgauge.yaml"
    if not file.exists():
        file.write_text(config)
    return ["doctor", "--config", str(file), "--data-dir", str(folder / "data"), "--format", "json", *options]


def doctor(folder: Path, config: str = FREE_PORTS, *options: str, env: Mapping[str, str] | None = None) -> Said:
    """What it says of this configuration, within this process."""
    with CliRunner().isolation(env=env) as (out, err, _):
        code = run(words(folder, config, *options))
        sys.stdout.flush()
        return what_it_said(code, out.getvalue(), err.getvalue().decode())


def what_it_said(code: int, out: bytes, err: str) -> Said:
    return Said(code, json.loads(out)["findings"] if out else [], err)


def test_a_machine_without_a_data_dir_is_fine_and_none_is_made(tmp_path: Path) -> None:
    said = doctor(tmp_path)

    assert (said.code, said.failed) == (0, [])
    assert said.of("data_dir") == [("ok", f"{tmp_path / 'data'} is not there yet; the first start makes it")]
    assert [path.name for path in tmp_path.iterdir()] == ["streamgauge.yaml"]
    assert {found["check"] for found in said.findings} == {
        *("settings", "rules", "data_dir", "columns", "ports", "disk", "open files", "clock", "memory", "certificates"),
        *("brokers", "receivers", "silences", "kafka", "bucket", "versions", "server"),
    }
    assert all(found["remedy"] for found in said.findings if found["level"] != "ok")


def test_a_wrong_configuration_is_exit_code_2_with_its_line(tmp_path: Path) -> None:
    said = doctor(tmp_path, "htp: 1\n")

    assert (said.code, said.findings) == (2, [])
    assert 'streamgauge.yaml:1: htp: "htp" is not a key known here' in said.err


def test_a_port_that_another_has_fails_and_is_told_by_whom(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        said = doctor(tmp_path, FREE_PORTS, "--http", f"127.0.0.1:{port}")

    (failed,) = [found for found in said.failed if found["check"] == "ports"]
    assert said.code == 1
    assert f"http.address: port {port} of 127.0.0.1 is taken by process {os.getpid()} (" in failed["what"]


def test_a_rule_file_that_cannot_be_read_fails_by_name(tmp_path: Path) -> None:
    """A folder in its place: root, who runs CI, may read any file."""
    (tmp_path / "rules.yaml").mkdir()

    said = doctor(tmp_path, FREE_PORTS + "rules: [rules.yaml]\n")

    assert said.code == 1
    assert said.of("rules") == [("fail", f"{tmp_path / 'rules.yaml'}: cannot be read: Is a directory")]


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("format.json", '{"format_version": 99}', "the folder has format version 99"),
        ("format.json", "{}", "does not say a format version"),
        ("log/log.json", '{"format_version": 99}', "the log has format 99"),
        ("magnetic/_streamgauge/format", "99\n", "the store has format '99'"),
    ],
)
def test_a_format_that_is_not_ours_fails(tmp_path: Path, file: str, text: str, told: str) -> None:
    data = tmp_path / "data"
    (data / file).parent.mkdir(parents=True)
    (data / "format.json").write_text('{"format_version": 1}')
    (data / file).write_text(text)

    said = doctor(tmp_path)

    assert said.code == 1
    assert told in " ".join(found["what"] for found in said.failed)
    assert file != "format.json" or f"mv {data / file} {data / file}.damaged" in said.failed[0]["remedy"]


@pytest.mark.processes
def test_few_open_files_are_a_warning_and_too_few_a_failure(tmp_path: Path) -> None:
    def limited(files: int) -> Said:
        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        command = [*COMMAND, *words(tmp_path, FREE_PORTS)]
        done = subprocess.run(command, capture_output=True, check=False, timeout=60, preexec_fn=limit)
        return what_it_said(done.returncode, done.stdout, done.stderr.decode())

    few, too_few = limited(1024), limited(128)

    assert (few.code, few.of("open files")[0][0]) == (0, "warn")
    assert (too_few.code, too_few.of("open files")[0][0]) == (1, "fail")
    assert "is 128: about 64 connections" in too_few.of("open files")[0][1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A data_dir of 2 MiB: a disk of its own, where this user may mount one."""
    folder = tmp_path / "data"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)]
    is_mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    yield folder
    if is_mounted:
        subprocess.run(["umount", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write until the disk takes no byte more."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(65536)):
            pass


@pytest.mark.processes
def test_a_disk_with_less_than_min_free_fails_full_to_the_last_byte_or_not(tmp_path: Path, small_disk: Path) -> None:
    config = FREE_PORTS + "log: {min_free: 1000TiB}\n"
    with_room = doctor(tmp_path, config)
    if small_disk.is_mount():
        fill(small_disk / "fill")
    full = doctor(tmp_path)
    remedies = [found["remedy"] for found in full.failed if found["check"] == "data_dir"]

    assert with_room.code == full.code == 1
    assert "fail" in dict(with_room.of("disk"))
    assert "fail" in dict(full.of("disk"))
    assert "the gateway accepts nothing" in full.of("disk")[0][1]
    assert remedies == (["make room on its disk"] if small_disk.is_mount() else [])
    assert [path.name for path in small_disk.iterdir()] in (["fill"], [])


@pytest.mark.processes
def test_a_running_server_is_told_of_with_what_it_counted(tmp_path: Path) -> None:
    """Its ports and its data_dir are its own, and no fault; what it counted is there to be looked at."""
    with Product(tmp_path) as product:
        at = ("--mqtt", product.mqtt, "--http", product.http)
        publisher = ["mosquitto_pub", "-h", "127.0.0.1", "-p", product.mqtt.rpartition(":")[2], "-q", "1"]
        subprocess.run([*publisher, "-t", "hall/d1", "-m", "{no JSON"], check=True, timeout=60)
        before = snapshot(product.data_dir)
        said = wait_for(lambda: with_letters(doctor(tmp_path, FREE_PORTS, *at)), "the dead letter is counted")
        with product.client() as client:
            of_http = client.get("v1", "doctor")["findings"]
        after = snapshot(product.data_dir)
        pid = json.loads(Layout(product.data_dir).up_state.read_bytes())["pid"]

    assert (said.code, said.failed) == (0, [])
    assert [level for level, what in said.of("ports") if "is held by the streamgauge that runs" in what] == ["ok", "ok"]
    assert any(f"in use: process {pid} (" in what for _, what in said.of("data_dir"))
    assert said.of("server")[0][1].startswith("ready; ")
    assert ("warn", "1 dead letters") in said.of("server")
    assert [found for found in of_http if found["level"] == "fail"] == []
    assert ("warn", "1 dead letters") in {(found["level"], found["what"]) for found in of_http}
    assert after - before == set()


def with_letters(said: Said) -> Said | None:
    return said if ("warn", "1 dead letters") in said.of("server") else None


def snapshot(folder: Path) -> set[Path]:
    """The files that no running server makes by itself, as it does in the magnetic tier."""
    return {path for path in folder.rglob("*") if path.parent.name in {"data", "log", "run"}}


@pytest.mark.processes
def test_a_stranger_at_the_port_of_http_and_a_paused_one_are_told_in_time(tmp_path: Path) -> None:
    """A process that accepts and never answers: the check ends all the same."""
    script = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)"
    stranger = subprocess.Popen(
        [COMMAND[0], "-c", f"{script}; time.sleep(60)"],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=end_with_parent,  # noqa: PLW1509  # there are no threads
    )
    try:
        assert stranger.stdout is not None
        port = stranger.stdout.readline().strip()
        said = doctor(tmp_path, FREE_PORTS, "--http", f"127.0.0.1:{port}")
    finally:
        stranger.send_signal(signal.SIGKILL)
        stranger.communicate()

    assert said.code == 1
    assert "does not answer like streamgauge" in said.of("server")[0][1]
    assert [found["check"] for found in said.failed] == ["ports", "server"]


@pytest.mark.processes
def test_into_a_pipe_it_prints_one_line_a_finding(tmp_path: Path) -> None:
    (tmp_path / "streamgauge.yaml").write_text(FREE_PORTS)

    done = subprocess.run([*COMMAND, "doctor"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)

    header, *lines = done.stdout.splitlines()
    assert header.split("\t") == ["level", "check", "what", "remedy"]
    assert {line.split("\t")[0] for line in lines} <= {"ok", "warn"}
    assert {len(line.split("\t")) for line in lines} == {4}


def test_brokers_kafka_and_a_bucket_that_are_not_there_fail_with_what_to_do(tmp_path: Path) -> None:
    """Each by its address; nothing is said of them where they are not configured."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, and does not listen: connections are refused
        port = nobody.getsockname()[1]
        config = (
            f"{FREE_PORTS}log: kafka://127.0.0.1:{port}\n"
            f'brokers: [{{url: "mqtt://127.0.0.1:{port}", topics: ["a/#"]}}]\n'
            "magnetic: {url: s3://nobody/x}\n"
        )
        keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-central-1"}
        told = doctor(tmp_path, config, env={**keys, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"})

    failed = {one["check"]: one for one in told.failed}
    assert told.code == 1
    assert {"brokers", "kafka", "bucket"} <= set(failed)
    assert str(port) in failed["brokers"]["what"]
    assert str(port) in failed["kafka"]["what"]
    assert all(failed[check]["remedy"] for check in ("brokers", "kafka", "bucket"))
