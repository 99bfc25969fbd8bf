"""What users put together instead: Mosquitto → Telegraf → VictoriaMetrics, with vmalert for rules.

Set up to be at its best here: Telegraf writes twice a second instead of every ten seconds, VictoriaMetrics answers with
values as soon as it has them instead of after 30 s, Mosquitto and Telegraf have buffers that a burst does not overflow.
vmalert judges the same rules as the product, every 10 s instead of at every value.
"""

from __future__ import annotations

import itertools
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import repository  # noqa: F401  # for tests.support
from deployment import accepts, mosquitto, mosquitto_program
from sending import messages

from pipeline.base.errors import ServerUnreachable
from tests.support.waiting import wait_for

BUILT = Path(__file__).parent.parent / ".cache" / "peers"
PROGRAMS = ("telegraf", "victoria-metrics", "vmalert")
_MOSQUITTO = "max_queued_messages 0\n"
_TELEGRAF = """\
[agent]
  flush_interval = "500ms"
  metric_batch_size = 10000
  metric_buffer_limit = 5000000
  omit_hostname = true
[[outputs.influxdb]]
  urls = ["{store}"]
  skip_database_creation = true
[[inputs.mqtt_consumer]]
  servers = ["tcp://{broker}"]
  topics = ["greenhouse/#", "probe/#"]
  qos = 1
  persistent_session = true
  client_id = "telegraf"
  max_undelivered_messages = 50000
  name_override = "readings"
  topic_tag = ""
  data_format = "json"
  json_time_key = "ts"
  json_time_format = "unix_ms"
  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "greenhouse/+/+/+/+"
    tags = "_/region/greenhouse/zone/sensor"
  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "probe/+"
    tags = "_/sensor"
"""
_RULES = """\
groups:
  - name: greenhouse-climate
    interval: 10s
    rules:
      - {alert: TooHot, expr: "readings_temperature > 60 or readings_temperature < -10", for: 2m}
      - {alert: HeatingRunaway, expr: "abs(deriv(readings_temperature[15s])) * 60 > 500"}
      - {alert: TooDry, expr: "readings_soil_moisture < 0", for: 10m}
  - name: probe
    interval: 10s
    rules:
      - {alert: Probe, expr: "readings_alarm > 0"}
"""


@dataclass(frozen=True)
class PeerChain:
    """A running chain: where devices and questions go, and its processes by name."""

    mqtt: str
    http: str
    pids: dict[str, int]
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60))
    _turns: Iterator[int] = field(default_factory=itertools.count)

    def is_queryable(self, sensor: str) -> bool:
        """Whether a value of this sensor is found."""
        return bool(self._query("query", query=f'readings_alarm{{sensor="{sensor}"}}'))

    def ask(self) -> None:
        """Ask for the averages of a zone over the last five minutes, in bins of ten seconds; zones in turn."""
        place = next(self._turns)
        zone, greenhouse = place % messages.ZONES, place // messages.ZONES % (messages.REGIONS * messages.GREENHOUSES)
        values = f'readings_temperature{{greenhouse="gh-{greenhouse:03}",zone="zone-{zone}"}}'
        now_s = time.time()
        self._query("query_range", query=f"avg(avg_over_time({values}[10s]))", start=now_s - 300, end=now_s, step="10s")

    def _query(self, path: str, **parameters: str | float) -> list[Any]:
        """The series that VictoriaMetrics answers with, by Prometheus's protocol."""
        try:
            response = self._client.get(f"http://{self.http}/api/v1/{path}", params=parameters)
            response.raise_for_status()
        except httpx.HTTPError as error:
            raise ServerUnreachable(str(error)) from error
        result: list[Any] = response.json()["data"]["result"]
        return result


def is_built() -> bool:
    """Whether `peers/build` has built the programs, and Mosquitto is installed."""
    return all((BUILT / program).exists() for program in PROGRAMS) and mosquitto_program() is not None


def has_victoria_metrics() -> bool:
    """Whether `peers/build` has built it."""
    return (BUILT / "victoria-metrics").exists()


@contextmanager
def victoria_metrics(folder: Path) -> Iterator[tuple[str, int]]:
    """VictoriaMetrics with its data in `folder`, as (address, pid)."""
    address = f"127.0.0.1:{_free_port()}"
    options = (
        f"-httpListenAddr={address}", f"-storageDataPath={folder / 'store'}", "-retentionPeriod=2d",
        "-search.latencyOffset=0s", "-influxMeasurementFieldSeparator=_",
    )  # fmt: skip
    with _running("victoria-metrics", *options) as pid:
        wait_for(lambda: accepts(address), "VictoriaMetrics accepts connections")
        yield address, pid


@contextmanager
def peer_chain(folder: Path) -> Iterator[PeerChain]:
    """The chain, with its files in `folder`."""
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto(folder, _MOSQUITTO))
        assert broker is not None
        mqtt, mosquitto_pid = broker
        store, store_pid = stack.enter_context(victoria_metrics(folder))
        pids = {"mosquitto": mosquitto_pid, "victoria-metrics": store_pid}
        rules, settings = folder / "rules.yaml", folder / "telegraf.conf"
        rules.write_text(_RULES)
        settings.write_text(_TELEGRAF.format(store=f"http://{store}", broker=mqtt))
        pids["telegraf"] = stack.enter_context(_running("telegraf", "--quiet", "--config", str(settings)))
        pids["vmalert"] = stack.enter_context(
            _running(
                "vmalert", f"-rule={rules}", f"-datasource.url=http://{store}", "-notifier.blackhole",
                f"-httpListenAddr=127.0.0.1:{_free_port()}", f"-remoteWrite.url=http://{store}",
            )
        )  # fmt: skip
        yield PeerChain(mqtt, store, pids)


@contextmanager
def _running(program: str, *options: str) -> Iterator[int]:
    """The process id of a program that was built, until the block ends."""
    process = subprocess.Popen([BUILT / program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
