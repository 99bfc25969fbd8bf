"""What each check decides, at the edge: within, exactly at, beyond."""

from __future__ import annotations

import datetime as dt
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
import yaml
from pydantic import BaseModel

from pipeline.base.layout import prepare
from pipeline.base.lock import sole
from pipeline.base.process import describe
from pipeline.config import Config
from pipeline.operations.doctor import (
    certificates,
    clock,
    columns,
    data_dir,
    disk,
    memory,
    open_files,
    server,
    silences,
    versions,
)
from pipeline.operations.doctor.checks import CHECKS
from pipeline.operations.doctor.examine import examine
from pipeline.operations.doctor.finding import Finding, Level, ok
from pipeline.operations.doctor.object_store import check_object_store
from pipeline.operations.doctor.reach import reach
from store.catalog.changes import ColumnChanges
from store.catalog.document import Document, TableInfo, TableSettings
from store.catalog.versions import CatalogVersions
from store.host_time import WRITTEN_NS
from store.record import TableId
from store.state_objects import open_state
from store.values.times import rfc3339

GIB = 2**30
DAY_S = 86_400


def levels(findings: Iterator[Finding]) -> list[Level]:
    return [finding.level for finding in findings]


@pytest.mark.parametrize(
    ("free", "held", "level"),
    [
        (GIB, 0, Level.FAIL),
        (GIB + 1, 0, Level.WARN),
        (9 * GIB - 1, 0, Level.WARN),
        (9 * GIB, 0, Level.OK),
        (8 * GIB, GIB, Level.OK),
        (8 * GIB - 1, GIB, Level.WARN),
    ],
)
def test_the_logs_disk_has_room_for_the_rest_of_the_log_and_for_min_free(free: int, held: int, level: Level) -> None:
    looked = disk.Disk(Path("/data/log"), free, held, None)

    assert levels(disk.judge_log(looked, max_bytes=8 * GIB, min_free_bytes=GIB)) == [level]


@pytest.mark.parametrize(
    ("fsync_s", "level"), [(0.049, Level.OK), (0.05, Level.WARN), (0.49, Level.WARN), (0.5, Level.FAIL)]
)
def test_a_slow_fsync_is_told(fsync_s: float, level: Level) -> None:
    looked = disk.Disk(Path("/data/magnetic"), GIB, 0, fsync_s)

    assert levels(disk.judge_magnetic(looked)) == [Level.OK, level]


@pytest.mark.parametrize(
    ("hard", "level"),
    [(None, Level.OK), (16_384, Level.OK), (16_383, Level.WARN), (256, Level.WARN), (255, Level.FAIL)],
)
def test_open_files_are_enough_few_or_too_few(hard: int | None, level: Level) -> None:
    assert open_files.judge(hard).level is level


SET_S = WRITTEN_NS / 1e9  # a clock that stands before was never set


@pytest.mark.parametrize(
    ("now_s", "newest_s", "level"),
    [
        (SET_S, None, Level.OK),
        (SET_S - 1, None, Level.FAIL),
        (SET_S, SET_S + 2, Level.OK),
        (SET_S, SET_S + 2.1, Level.FAIL),
    ],
)
def test_a_clock_behind_what_is_stored_fails(now_s: float, newest_s: float | None, level: Level) -> None:
    assert clock.judge(now_s, newest_s).level is level


@pytest.mark.parametrize(
    ("has", "level"), [(GIB, Level.FAIL), (GIB + 1, Level.WARN), (2 * GIB - 1, Level.WARN), (2 * GIB, Level.OK)]
)
def test_memory_holds_the_memory_tier_and_the_rest(has: int, level: Level) -> None:
    assert memory.judge(GIB, has).level is level


@pytest.mark.parametrize(
    ("installed", "level", "told"),
    [
        ("1.0", Level.OK, "1 packages"),
        ("1.1", Level.WARN, "a 1.1 (tested: 1.0)"),
        (None, Level.FAIL, "not installed: a"),
    ],
)
def test_packages_are_those_that_were_tested(installed: str | None, level: Level, told: str) -> None:
    found = versions.judge_packages({"a": "1.0"}, {"a": installed})

    assert (found.level, told in found.what) == (level, True)


@pytest.mark.parametrize(("version", "level"), [((3, 10), Level.FAIL), ((3, 13), Level.OK), ((3, 14), Level.FAIL)])
def test_python_is_one_it_was_made_for(version: tuple[int, int], level: Level) -> None:
    assert versions.judge_python(version).level is level


def test_an_old_kernel_is_told() -> None:
    assert [versions.judge_kernel(release).level for release in ("4.17.9", "4.18.0-553.el8", "6.1.0-28-amd64")] == [
        Level.WARN,
        Level.OK,
        Level.OK,
    ]


STEPS = """
streamgauge_clock_steps_total{direction="ahead",process="gateway"} 1.0
streamgauge_clock_steps_total{direction="back",process="worker"} 1.0
streamgauge_clock_steps_total{direction="ahead",process="worker"} 2.0
streamgauge_clock_settling 1.0
"""


def test_what_happened_to_the_clock_of_a_server_is_told() -> None:
    last = {"by_seconds": -1200.0, "from": "2026-11-18T11:26:40Z", "to": "2026-11-18T11:06:40Z"}
    waits = "retention is suspended until it has run for 6 hours"
    last_time = ", the last time by -1,200.0 s from 2026-11-18T11:26:40Z to 2026-11-18T11:06:40Z"
    found = list(server.judge_clock({"is_set": True, "last_step": last}, STEPS))

    assert [(f.level, f.what) for f in found] == [
        (Level.WARN, f"the host's clock was set 3 times since the start{last_time}"),
        (Level.WARN, f"the host's clock jumped far ahead; {waits}"),
    ]
    assert [f.level for f in server.judge_clock({"is_set": False, "now": "1970-01-01T00:00:40Z"}, "")] == [Level.FAIL]
    assert list(server.judge_clock({"is_set": True}, "streamgauge_clock_settling 0.0")) == []


PAGE = """
streamgauge_log_lost_messages_total{topic="readings"} 2.0
streamgauge_stream_dead_letters_total{reason="no_route"} 3.0
streamgauge_webhooks_attempts_total{outcome="given_up",receiver="a"} 1.0
streamgauge_webhooks_attempts_total{outcome="delivered",receiver="a"} 9.0
streamgauge_log_bytes{topic="readings"} 51.0
"""


def test_what_a_server_has_counted_is_told_worst_first() -> None:
    found = list(server.judge_counts(PAGE, max_bytes=100))

    assert [(f.level, f.what.split()[0]) for f in found] == [
        (Level.FAIL, "2"),
        (Level.WARN, "3"),
        (Level.WARN, "1"),
        (Level.WARN, "the"),
    ]
    assert list(server.judge_counts("", max_bytes=100)) == []


def test_how_many_alerts_nobody_is_told_of_is_told() -> None:
    page = """
streamgauge_alerts_muted{reason="silenced"} 2.0
streamgauge_alerts_muted{reason="inhibited"} 0.0
streamgauge_alerts_muted{reason="acknowledged"} 1.0
"""
    (found,) = server.judge_counts(page, max_bytes=100)

    told = (
        "alerts fire that nobody is told of: 2 silenced, 1 acknowledged; streamgauge alerts --status firing lists them"
    )
    assert (found.level, found.what) == (Level.OK, told)


@pytest.mark.parametrize(
    ("times", "at_s", "level", "told"),
    [
        ("to: 1970-01-01T00:01:40Z", 99, Level.OK, "repair"),
        ("to: 1970-01-01T00:01:40Z", 100, Level.WARN, "ended at 1970-01-01T00:01:40Z"),
        ("from: 1970-01-01T00:01:40Z", 0, Level.WARN, "has no end"),
        ("every: {days: [sun]}", 0, Level.OK, "repair"),
    ],
)
def test_a_silence_of_the_configuration_that_has_ended_or_never_will_is_told(
    times: str, at_s: int, level: Level, told: str
) -> None:
    text = f"silences: [{{matchers: [rule=g/TooHot], by: Ada, why: repair, {times}}}]"
    config = Config.model_validate(yaml.safe_load(text))

    (found,) = silences.judge(config, at_s * 10**9)

    assert found.level is level
    assert told in found.what


def test_the_bytes_per_value_of_a_server_are_told() -> None:
    page = """
streamgauge_store_bytes_per_value{tier="memory"} 1.618
streamgauge_store_bytes_per_value{tier="magnetic"} 0.785
"""
    (found,) = server.judge_counts(page, max_bytes=100)

    told = "bytes per value: 0.79 in the magnetic tier, 1.62 in the memory tier"
    assert (found.level, found.what) == (Level.OK, told)


@pytest.mark.parametrize(
    ("age_ns", "level"), [(0, Level.WARN), (columns.LATELY_NS - 1, Level.WARN), (columns.LATELY_NS, Level.OK)]
)
def test_a_measure_that_was_changed_of_late_is_told(age_ns: int, level: Level) -> None:
    now_ns = 1_795_428_000 * 10**9
    changes = ColumnChanges({"t": "double"}, {"t": now_ns - age_ns, "p": 0}, None, {"t": "celsius"})
    info = TableInfo(TableId("default", "farm", "air"), TableSettings(), 0, 0, {}, changes=changes)

    (found,) = columns.judge([info], now_ns)

    assert found.level is level
    if level is Level.WARN:
        since = rfc3339(now_ns - age_ns)
        assert found.what == f"default/farm.air: t is double in celsius since {since}"


def test_a_table_with_many_changed_measures_is_one_finding() -> None:
    changes = ColumnChanges({}, {f"m{number}": 0 for number in range(7)})
    info = TableInfo(TableId("default", "farm", "air"), TableSettings(), 0, 0, {}, changes=changes)

    (found,) = columns.judge([info], 0)

    assert found.what.endswith(", and 2 more were changed")


class Tls(BaseModel):
    ca: Path | None = None
    certificate: Path | None = None


class Section(BaseModel):
    tls: Tls | None = None
    brokers: tuple[Tls, ...] = ()


def test_certificates_are_found_in_every_section_and_judged_by_their_end(tmp_path: Path) -> None:
    authority = trustme.CA()
    now = dt.datetime.now(dt.UTC)
    for name, days in (("good", 20), ("soon", 13), ("gone", -1)):
        issued = authority.issue_cert(
            "localhost", not_before=now - dt.timedelta(30), not_after=now + dt.timedelta(days)
        )
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
    (tmp_path / "none.pem").write_text("no certificate")
    section = Section(
        tls=Tls(certificate=tmp_path / "good.pem"),
        brokers=(Tls(ca=tmp_path / "soon.pem", certificate=tmp_path / "gone.pem"), Tls(ca=tmp_path / "none.pem")),
    )

    found = list(certificates.check_certificates(section))  # type: ignore[arg-type]  # any model has sections

    assert [(f.level, f.what.split(": ")[0]) for f in found] == [
        (Level.OK, "tls.certificate"),
        (Level.WARN, "brokers.0.ca"),
        (Level.FAIL, "brokers.0.certificate"),
        (Level.FAIL, "brokers.1.ca"),
    ]


@pytest.fixture
def tls_server() -> Iterator[tuple[trustme.CA, int]]:
    """A server that does one TLS handshake after the other."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(accepted, server_side=True).close()
            except OSError:
                accepted.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield authority, listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_server_is_reached_by_tcp_and_by_tls_where_it_is_trusted(tls_server: tuple[trustme.CA, int]) -> None:
    authority, port = tls_server
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    plain = reach("127.0.0.1", port)
    trusted = reach("localhost", port, trusting, timeout_s=60)
    untrusted = reach("localhost", port, ssl.create_default_context(), timeout_s=60)

    assert (plain.wrong, trusted.wrong) == ("", "")
    assert untrusted.wrong.startswith(f"localhost:{port}: its certificate is not trusted: ")
    assert "ca" in untrusted.remedy


def test_a_port_where_nothing_listens_is_told_apart_from_a_name_nobody_knows() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, and does not listen: connections are refused
        port = nobody.getsockname()[1]

        assert reach("127.0.0.1", port).wrong == f"127.0.0.1:{port}: nothing listens there"

    assert "the name is not known" in reach("no-such-host.invalid", 1883).wrong


def test_a_server_that_speaks_no_tls_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            accepted, _ = listener.accept()
            with accepted:
                accepted.recv(100)
                accepted.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        reached = reach("127.0.0.1", listener.getsockname()[1], ssl.create_default_context(), timeout_s=60)
        thread.join()

    assert "does not speak TLS" in reached.wrong


def test_a_check_that_fails_or_does_not_end_is_a_finding_and_hides_no_other(tmp_path: Path) -> None:
    over = threading.Event()

    def raises(_: Config) -> list[Finding]:
        raise PermissionError(13, "Permission denied", "/secret")

    def breaks(_: Config) -> list[Finding]:
        raise ValueError("a fault")

    def waits(_: Config) -> list[Finding]:
        over.wait(60)
        return []

    checks = (("a", raises), ("b", breaks), ("c", waits), ("d", lambda _: [ok("d", "fine")]))
    found = examine(Config(data_dir=tmp_path), checks, timeout_s=2.0)
    over.set()

    assert [(f.check, f.level) for f in found] == [
        ("a", Level.FAIL),
        ("b", Level.FAIL),
        ("c", Level.FAIL),
        ("d", Level.OK),
    ]
    assert found[0].what == "cannot be checked: Permission denied: /secret"
    assert "ValueError('a fault')" in found[1].what
    assert found[2].what == "did not end within 2 s"


def test_each_check_is_listed_once() -> None:
    assert len({name for name, _ in CHECKS}) == len(CHECKS)
    assert time.time() > SET_S  # or the clock of this machine makes every check of it fail


@pytest.mark.parametrize("log", ["local", "kafka://127.0.0.1:9092"])
def test_a_worker_is_told_as_who_has_the_data_dir_whatever_its_log(tmp_path: Path, log: str) -> None:
    config = Config.model_validate({"data_dir": tmp_path, "log": {"url": log}})
    prepare(config.layout)

    with sole(config.layout.worker_lock, "streamgauge worker"):
        held = [finding.what for finding in data_dir.check_data_dir(config)]
    free = [finding.what for finding in data_dir.check_data_dir(config)]

    assert [what for what in held if what not in free] == [f"in use: {describe(os.getpid())}"]


def test_columns_are_looked_for_in_the_catalog_beside_the_tables(tmp_path: Path) -> None:
    config = Config.model_validate({"data_dir": tmp_path / "data"})
    objects = open_state(config.magnetic_url)
    document = Document()
    document.create_database("default", "farm", 1)
    table = TableId("default", "farm", "climate")
    document.create_table(table, TableSettings(), 1)
    changes = ColumnChanges(units={"t": "celsius"}, since_ns={"t": time.time_ns()})
    document.change_columns({table: lambda _: changes}, 2)
    CatalogVersions(objects).save(document.encode())

    (found,) = columns.check_columns(config)

    assert "t is in celsius since" in found.what


@pytest.mark.parametrize(("mode", "level"), [(0o700, Level.OK), (0o701, Level.WARN), (0o755, Level.WARN)])
def test_a_data_dir_that_others_can_read_is_told(tmp_path: Path, mode: int, level: Level) -> None:
    config = Config(data_dir=tmp_path / "data")
    prepare(config.layout)
    config.data_dir.chmod(mode)

    found = list(data_dir.check_data_dir(config))

    told = [finding.level for finding in found if f"has mode {mode:04o}" in finding.what]
    assert told == ([] if level is Level.OK else [level])


def test_the_folders_of_buckets_can_be_written_or_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    urls = [str(tmp_path / "not/yet"), str(tmp_path), str(tmp_path / "file"), str(tmp_path / "file/below")]
    buckets = [{"name": f"bucket-{number}", "url": url} for number, url in enumerate(urls)]

    found = list(check_object_store(Config.model_validate({"data_dir": tmp_path, "buckets": buckets})))

    assert levels(iter(found)) == [Level.OK, Level.OK, Level.FAIL, Level.FAIL]
    assert found[3].what == f"{tmp_path / 'file/below'} cannot be written, because of {tmp_path / 'file'}"
