"""`streamgauge up` from its start to every kind of end; nothing is left, and nothing acknowledged is lost."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import psutil
import pytest
from deltalake import DeltaTable

from pipeline.operations.client import Client
from pipeline.operations.demo import REFRESH_S
from tests.end_to_end.running_product import Device, command, config, count, family, now_ms, rows
from tests.support.commands import COMMAND, execute
from tests.support.product import FREE_PORTS, Product
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

ROWS = 500
ENDLESS = """
SELECT COUNT(*) FROM "farm"."climate" a, "farm"."climate" b, "farm"."climate" c, "farm"."climate" d
WHERE a.id + b.id * c.id > d.id
"""


def publish(product: Product, number: int = ROWS, zone: str = "gh-1/north") -> None:
    start_ms = now_ms()
    with Device(product) as device:
        device.publish(
            f"farm/{zone}/s1", *({"ts": start_ms + n, "temperature": n % 30, "id": n} for n in range(number))
        )


def up(folder: Path, *options: str) -> subprocess.Popen[str]:
    """`up` in a process group of its own, as a shell starts it, standing in `folder`."""
    words = [*COMMAND, "up", "--data-dir", str(folder / "data"), *options]
    return subprocess.Popen(
        words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True, cwd=folder
    )


def addresses(folder: Path) -> dict[str, str]:
    """Where a running `up` listens, once it is ready."""

    def ready() -> dict[str, str] | None:
        try:
            state = json.loads((folder / "data" / "run" / "up.json").read_bytes())
        except FileNotFoundError:
            return None
        return state if state["ready"] else None

    return wait_for(ready, "up is ready", timeout_s=60)


def is_free(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            return False
    return True


def until_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert [process.cmdline() for process in alive] == []


def test_a_life_of_a_quiet_output_ends_with_everything_in_files_that_others_read_and_goes_on_from_there(
    tmp_path: Path,
) -> None:
    """It ends right after the last PUBACK, and then with a query under way; a second `up` on its folder is refused."""
    with Product(tmp_path, config(tmp_path), begin=execute) as product:
        publish(product)
        with product.client() as client:
            client.get("v1", "zones")
        first_end = product.stop()
        output = product.output.read_text()
        ids, seen = read_by_others(product)

        product.start()
        first = json.loads((tmp_path / "data" / "run" / "up.json").read_bytes())["pid"]
        second = command("up", "--config", str(product.config_file), "--data-dir", str(product.data_dir))
        again = count(product)
        with an_endless_query(product):
            second_end = product.stop()

    assert (first_end, ids, seen) == (0, list(range(ROWS)), ROWS)
    assert again == ROWS
    assert (second.code, second.err[:7], str(first) in second.err) == (1, "Error: ", True)
    assert second_end == 0  # `up` kills a worker that takes too long, and says so
    assert "killed" not in product.output.read_text()
    assert not (tmp_path / "data" / "run" / "up.json").exists()
    assert_quiet(product, output)


def read_by_others(product: Product) -> tuple[list[int], int]:
    """The ids that Delta Lake's own reader finds in the magnetic tier, and how many DuckDB's does."""
    table = DeltaTable(product.data_dir / "magnetic" / "default" / "farm" / "climate")
    ids = sorted(table.to_pyarrow_table(columns=["id"])["id"].to_pylist())
    files = table.file_uris()
    (row,) = duckdb.connect().execute("SELECT count(DISTINCT id) FROM read_parquet(?)", [files]).fetchall()
    return ids, row[0]


def assert_quiet(product: Product, output: str) -> None:
    """It prints nothing but where it listens, that it is ready, and that it ends."""
    lines = [json.loads(line) for line in output.splitlines()]
    told = {line["event"]: (line["process"], line["level"]) for line in lines}
    allowed = ("listening for MQTT", "worker ready", "ready: MQTT", "ending: the gateway")

    assert [who for event, who in told.items() if "worker ready: HTTP on" in event] == [("worker", "info")]
    assert [who for event, who in told.items() if event.startswith("ready: MQTT listening on 127.0.0.1:")] == [
        ("up", "info")
    ]
    assert [event for event in told if not any(word in event for word in allowed)] == []


@contextmanager
def an_endless_query(product: Product) -> Iterator[None]:
    """Within the block a query process is busy with a query that would not end today."""
    host, _, port = product.http.rpartition(":")
    body = json.dumps({"sql": ENDLESS}).encode()
    head = f"POST /v1/query HTTP/1.1\r\nhost: {product.http}\r\ncontent-type: application/json\r\n"
    head += f"content-length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, int(port))) as asker:
        asker.sendall(head.encode() + body)
        wait_for(lambda: any(process.cpu_times().user > 0.2 for process in query_processes(product)), "the query runs")
        yield


def query_processes(product: Product) -> list[psutil.Process]:
    """They are children of the forker, the worker's only child."""
    return [query for forker in psutil.Process(product.pid("worker")).children() for query in forker.children()]


def test_ctrl_c_leaves_no_process_and_no_port(tmp_path: Path) -> None:
    """With no config file at all: the defaults, a folder of its own, and nothing written beside it."""
    standing = tmp_path / "standing"
    standing.mkdir()
    words = [*COMMAND, "up", "--data-dir", str(tmp_path / "data"), "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=standing)
    at = addresses(tmp_path)
    processes = family(process.pid)
    host, _, port = at["mqtt"].rpartition(":")
    publisher = ["mosquitto_pub", "-h", host, "-p", port, "-q", "1", "-t", "hall/shelf/d1", "-m", '{"level": 4.5}']
    subprocess.run(publisher, check=True, timeout=60)
    sql = 'SELECT topic_1, topic_2, topic_3, measure_name, level FROM "default"."readings"'
    with Client(f"http://{at['http']}") as client:
        found = wait_for(lambda: rows(client, sql), "the reading is stored")
        zones = client.get("v1", "zones")["zones"]

    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)

    assert found == [["hall", "shelf", "d1", "readings", 4.5]]
    assert [zone["zone"] for zone in zones] == ["hall/shelf"]
    assert process.returncode == 0, told
    assert len(processes) == 3
    until_gone(processes)
    assert (is_free(at["mqtt"]), is_free(at["http"])) == (True, True)
    assert list(standing.iterdir()) == []
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tabels: []\n", ["streamgauge.yaml:1", "tabels", "tables"]),
        ("rules: [missing.yaml]\n", ["missing.yaml"]),
    ],
)
def test_a_bad_configuration_is_an_error_in_words(tmp_path: Path, text: str, words: list[str]) -> None:
    file = tmp_path / "streamgauge.yaml"
    file.write_text(text + FREE_PORTS)

    ran = command("up", "--config", str(file), "--data-dir", str(tmp_path / "data"))

    assert ran.code in {1, 2}
    assert "Error: " in ran.err
    assert "Traceback" not in ran.err
    for word in words:
        assert word in ran.err


def test_the_demo_shows_averages_and_an_alert_and_leaves_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    words = [COMMAND[0], "-m", "pipeline.operations.demo"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    lines: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if "the API, with a page to try it on" in line:
            break
    processes = family(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=60)

    # one line in REFRESH_S: the alert comes within a minute of them, however busy the machine is
    assert 0 < len([line for line in lines if "averages" in line and "°C" in line]) <= 60 / REFRESH_S
    assert [line for line in lines if "WEBHOOK   alert.firing  greenhouse-climate/TooHot" in line]
    assert process.returncode == 0, rest
    assert len(processes) >= 5
    until_gone(processes)
    assert list(tmp_path.iterdir()) == []
