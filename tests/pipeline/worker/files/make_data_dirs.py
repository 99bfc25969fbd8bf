"""Makes small data folders by running the product, with what it answered: the files that migration is tested with.

    cd CHECKOUT && .venv/bin/python …/make_data_dirs.py OUT

writes OUT/{killed,checkpoint,ended}.tar.gz in the format of that checkout. Each holds `data/`, the configuration it ran
with (`streamgauge.yaml`, `rules.yaml`), and `answers.json`: what each account was answered last. Run with the last
program that writes a format, before another comes to be.

killed      SIGKILL: rows committed and not, late and superseded ones, an alert that fires and one that is pending, dead
            letters, a table deleted and made anew, text that stays text, another unit than at first, several accounts
checkpoint  SIGKILL: more tables than are committed alone, so their rows are in the checkpoint
ended       SIGTERM: everything is committed
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx
import paho.mqtt.client as mqtt

ADDED = {"acknowledged", "muted"}  # members of an alert that older programs do not have
ACCOUNTS = ("farm-a", "farm-b")
MINUTE_MS = 60_000
FIRST_MS = 1_764_400_000_000
WAIT_S = 300.0
SAVED_S = 18.0  # the state of rules is saved each 15 s, and the log trimmed then
LAUNCH = """
import os, sys
import store.upkeep as upkeep
upkeep.FLUSH_AFTER_NS = int(os.environ["FLUSH_AFTER_NS"])
upkeep.MOST_FLUSHED_ALONE = int(os.environ["MOST_FLUSHED_ALONE"])
upkeep.POSITIONS_EVERY_NS = 500_000_000
from importlib.metadata import entry_points
(command,) = entry_points(group="console_scripts", name="streamgauge")
sys.exit(command.load()())
"""
RULES = """
groups:
  - name: heat
    table: farm.climate
    rules:
      - {alert: Hot, measure: temperature, range: {max: 30}}
      - {alert: HotForLong, measure: temperature, range: {max: 25}, for: 10m}
"""
Body = Mapping[str, object]
Answers = dict[str, Any]


def configuration(tables: int, unit: str = "celsius") -> dict[str, Any]:
    """The tables farm.climate and farm.t01 …, of two accounts, kept for longer than anybody will test this."""
    climate = {"temperature": {"unit": unit}} if unit else {}
    return {
        "listener": {
            "address": "127.0.0.1:0",
            "users": [{"username": account, "password": "p", "account": account} for account in ACCOUNTS],
        },
        "http": {
            "address": "127.0.0.1:0",
            "tokens": [{"token": f"token-of-{account}", "account": account, "role": "admin"} for account in ACCOUNTS],
        },
        "tables": [
            {
                "name": f"farm.{name}",
                "topics": f"{name}/{{region}}/{{sensor}}",
                "time": {"field": "ts", "unit": "ms"},
                "measures": climate if name == "climate" else {},
                "retention": {"memory": "1h", "magnetic": "36500d"},
            }
            for name in ("climate", *(f"t{number:02}" for number in range(1, tables)))
        ],
        "rules": ["rules.yaml"],
    }


class Running:
    """A gateway and a worker on the data folder below `folder`, or those of them that are wanted."""

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        flush_after_s: float,
        alone: int = 150,
        roles: Sequence[str] = ("gateway", "worker"),
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        (folder / "streamgauge.yaml").write_text(json.dumps(config, indent=1))
        (folder / "rules.yaml").write_text(RULES)
        self._environment = {
            **os.environ, "FLUSH_AFTER_NS": str(int(flush_after_s * 1e9)), "MOST_FLUSHED_ALONE": str(alone),
        }  # fmt: skip
        self.mqtt, self.http = free_port(), free_port()
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{self.http}", verify=False, timeout=WAIT_S)  # no TLS
        self._roles = roles
        self._processes = [self._start(role) for role in roles]
        for process in self._processes:
            atexit.register(process.kill)
        wait_for(self.is_ready, "it is ready")

    def _start(self, role: str) -> subprocess.Popen[bytes]:
        options = {
            "--config": self.folder / "streamgauge.yaml", "--data-dir": self.data,
            "--mqtt": f"127.0.0.1:{self.mqtt}", "--http": f"127.0.0.1:{self.http}",
        }  # fmt: skip
        words = [str(word) for option in options.items() for word in option]
        return subprocess.Popen([sys.executable, "-c", LAUNCH, role, *words], env=self._environment)

    def is_ready(self) -> bool:
        try:
            if "gateway" in self._roles:
                socket.create_connection(("127.0.0.1", self.mqtt)).close()
            return bool(self.get(ACCOUNTS[0], "readyz")["frames_behind"] == 0)
        except (OSError, httpx.HTTPError):
            return False

    def get(self, account: str, path: str) -> Any:
        return self._client.get(path, headers=bearer(account)).raise_for_status().json()

    def ask(self, account: str, sql: str) -> Any:
        answer = self._client.post("v1/query", headers=bearer(account), json={"sql": sql})
        return answer.raise_for_status().json()

    def timestream(self, account: str) -> Any:
        keys = {"aws_access_key_id": account, "aws_secret_access_key": f"token-of-{account}"}
        return boto3.client(
            "timestream-write", endpoint_url=f"http://127.0.0.1:{self.http}", region_name="eu-west-1", **keys
        )

    def answers(self) -> Answers:
        """What there is, by account."""
        return {account: self._answers(account) for account in ACCOUNTS}

    def _answers(self, account: str) -> Answers:
        rows = {}
        for (database,) in self.ask(account, "SHOW DATABASES")["rows"]:
            for (table,) in self.ask(account, f'SHOW TABLES FROM "{database}"')["rows"]:
                found = self.ask(account, f'SELECT * FROM "{database}"."{table}"')
                rows[f"{database}.{table}"] = {**found, "rows": sorted(found["rows"], key=repr)}
        return {
            "rows": rows,
            "alerts": [
                {key: value for key, value in alert.items() if key not in ADDED or value is not None}
                for alert in self.get(account, "v1/alerts")["alerts"]
            ],
            "rules": [
                {key: rule[key] for key in ("rule", "pending", "firing")}
                for rule in self.get(account, "v1/rules")["rules"]
            ],
            "dead_letters": self.get(account, "v1/dead-letters")["dead_letters"],
            "zones": self.get(account, "v1/zones")["zones"],
            "measures": self.get(account, "v1/measures")["measures"],
        }

    def end(self, number: int) -> None:
        self._client.close()
        for process in self._processes[::-1] if number == signal.SIGKILL else self._processes:
            process.send_signal(number)
            process.wait(WAIT_S)


@contextmanager
def device(running: Running, account: str) -> Iterator[Callable[[str, Body | bytes], None]]:
    """Publish as a device of `account`; returns once it is acknowledged."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.username_pw_set(account, "p")
    client.connect("127.0.0.1", running.mqtt)
    client.loop_start()

    def publish(topic: str, body: Body | bytes) -> None:
        payload = body if isinstance(body, bytes) else json.dumps(body)
        message = client.publish(topic, payload, qos=1)
        message.wait_for_publish(WAIT_S)
        assert message.is_published(), topic

    try:
        yield publish
    finally:
        client.disconnect()
        client.loop_stop()


def killed(folder: Path) -> Answers:
    """Two lives: in the second the unit is another, and it ends in the midst."""
    first = Running(folder, configuration(3, "celsius"), flush_after_s=1)
    with ExitStack() as stack:
        devices = {account: stack.enter_context(device(first, account)) for account in ACCOUNTS}
        for number, publish in enumerate(devices.values()):
            for minute in range(12):
                body = {"ts": FIRST_MS + minute * MINUTE_MS, "temperature": 20.5 + number, "state": f"on {minute}"}
                publish("climate/north/s1", body)
                publish("climate/south/s2", body | {"humidity": 40 + minute})
            publish("t01/west/d1", {"ts": FIRST_MS, "open": True})
            publish("t02/gone/d1", {"ts": FIRST_MS, "n": 1})
        devices["farm-a"]("climate/north/s1", b"no JSON")
        wait_for(first.is_ready, "all is applied")
        write = first.timestream("farm-a")
        wait_for(lambda: list(first.data.glob("magnetic/*/farm/t02/_delta_log/*.json")), "it is committed")
        write.delete_table(DatabaseName="farm", TableName="t02")
        write.create_database(DatabaseName="own")
        write.create_table(
            DatabaseName="own",
            TableName="cpu",
            RetentionProperties={"MemoryStoreRetentionPeriodInHours": 1, "MagneticStoreRetentionPeriodInDays": 36500},
            MagneticStoreWriteProperties={"EnableMagneticStoreWrites": True},
        )
        write_records(write, version=1, value="10")
        devices["farm-a"]("t02/back/d2", {"ts": FIRST_MS + MINUTE_MS, "n": 2})
        wait_for(lambda: list(first.data.glob("magnetic/farm-a/own/cpu/_delta_log/*.json")), "it is committed")
        write.close()
    first.end(signal.SIGTERM)

    second = Running(folder, configuration(3, "fahrenheit"), flush_after_s=1)
    last = FIRST_MS + 20 * MINUTE_MS
    with device(second, "farm-a") as publish:
        publish("climate/north/s1", {"ts": FIRST_MS + MINUTE_MS, "temperature": 68.25, "state": "corrected"})
        publish("climate/north/s1", {"ts": FIRST_MS - MINUTE_MS, "temperature": 50.0})
        publish("climate/north/s1", {"ts": last, "temperature": 95.0})
        publish("climate/south/s2", {"ts": last, "temperature": 86.0, "humidity": 41})
        publish("climate/north/s1", b"[1, 2")
        wait_for(second.is_ready, "all is applied")
        write = second.timestream("farm-a")
        write_records(write, version=2, value="12")
        write.close()
        committed = second.data / "magnetic" / "farm-a" / "farm" / "climate" / "_delta_log"
        before = len(list(committed.glob("*.json")))
        publish("climate/north/s1", {"ts": last + MINUTE_MS, "temperature": 96.0})
        wait_for(lambda: len(list(committed.glob("*.json"))) > before, "it is committed")
        time.sleep(SAVED_S)
    second.end(signal.SIGKILL)

    third = Running(folder, configuration(3, "fahrenheit"), flush_after_s=3600)
    with device(third, "farm-a") as publish, device(third, "farm-b") as other:
        publish("climate/north/s3", {"ts": last + 2 * MINUTE_MS, "temperature": 97.5, "light": 7})
        publish("climate/north/s1", {"ts": last, "temperature": 95.5})
        other("climate/north/s1", {"ts": last, "temperature": 80.0})
    wait_for(third.is_ready, "all is applied")
    time.sleep(2)  # the archive has the alerts
    answers = third.answers()
    third.end(signal.SIGKILL)
    return answers


def write_records(write: Any, *, version: int, value: str) -> None:
    write.write_records(
        DatabaseName="own",
        TableName="cpu",
        Records=[
            {
                "Dimensions": [{"Name": "host", "Value": host}], "MeasureName": "load", "MeasureValue": value,
                "MeasureValueType": "DOUBLE", "Time": str(FIRST_MS), "Version": version,
            }
            for host in ("h1", "h2")
        ],
    )  # fmt: skip


def checkpoint(folder: Path) -> Answers:
    """Ten tables where two are committed alone."""
    running = Running(folder, configuration(5), flush_after_s=1, alone=2)
    for account in ACCOUNTS:
        with device(running, account) as publish:
            for minute in range(3):
                for name in ("climate", "t01", "t02", "t03", "t04"):
                    publish(f"{name}/north/s{minute % 2}", {"ts": FIRST_MS + minute * MINUTE_MS, "temperature": minute})
    wait_for(running.is_ready, "all is applied")
    kept = running.data / "store" / "checkpoint"
    other = running.data / "magnetic" / "_streamgauge" / "state"
    wait_for(lambda: kept.exists() or list(other.glob("*/*/*/checkpoint/*")), "it is saved")
    time.sleep(SAVED_S)
    answers = running.answers()
    running.end(signal.SIGKILL)
    return answers


def ended(folder: Path) -> Answers:
    """One account's readings, and nothing left to do."""
    running = Running(folder, configuration(2), flush_after_s=25)
    with device(running, "farm-b") as publish:
        for minute in range(5):
            publish("climate/north/s1", {"ts": FIRST_MS + minute * MINUTE_MS, "temperature": 31.0 - 2 * minute})
        publish("climate/north/s1", b"")
    wait_for(running.is_ready, "all is applied")
    time.sleep(2)  # the archive has the alerts
    answers = running.answers()
    running.end(signal.SIGTERM)
    return answers


def what_stays(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """`run/` is true only while something runs."""
    return None if "/data/run" in f"/{entry.name}" else entry


def bearer(account: str) -> dict[str, str]:
    return {"authorization": f"Bearer token-of-{account}"}


def free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.1)


def main() -> None:
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for make in (killed, checkpoint, ended):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "answers.json").write_text(json.dumps(make(folder), indent=1))
            with tarfile.open(out / f"{make.__name__}.tar.gz", "w:gz", compresslevel=9) as archive:
                for part in ("answers.json", "streamgauge.yaml", "rules.yaml", "data"):
                    archive.add(folder / part, part, filter=what_stays)


if __name__ == "__main__":
    main()
