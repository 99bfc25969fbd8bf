"""`make demo`: the whole product in one terminal, on free ports and in its own folder.

Starts `streamgauge up`, 200 simulated sensors, and a webhook receiver; prints zone averages as they change and each
alert as it arrives. It uses only public interfaces: the command, a config file, HTTP and a webhook. Ctrl-C ends it all.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import queue
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from pipeline.base.errors import ServerRefused, ServerUnreachable
from pipeline.base.logs import VARIABLE, Form
from pipeline.base.process import end_with_parent
from pipeline.operations.client import Client
from pipeline.operations.supervisor.supervisor import GATEWAY_STOP_S, WORKER_STOP_S

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = GATEWAY_STOP_S + WORKER_STOP_S + 5  # the longest graceful end of `up`
REFRESH_S = 3.0
ENDED_BY_CTRL_C = (0, 130)  # exit codes
SHOWN_ZONES = 6
COMMAND = (sys.executable, "-m", "pipeline.operations.cli")

CONFIG = """\
listener: {{address: "127.0.0.1:0"}}
http: {{address: "127.0.0.1:0"}}
tables:
  - name: agriculture.readings
    topics: "greenhouse/{{region}}/{{greenhouse}}/{{zone}}/{{sensor}}"
    zone: "{{greenhouse}}/{{zone}}"
    time: {{field: ts, unit: ms}}
    measure_name: climate
    measures:
      temperature: {{unit: celsius}}
rules: ["rules.yaml"]
receivers:
  - name: demo
    webhook: {{url: "http://127.0.0.1:{port}/alerts", secret: "{secret}", allow_private: true}}
"""

RULES = """\
groups:
  - name: greenhouse-climate
    table: agriculture.readings
    rules:
      - alert: TooHot
        measure: temperature
        range: {max: 36}
        clear: {max: 35}
        for: 3s
        labels: {severity: warning}
        annotations: {summary: "{zone_name}: {value} °C on {sensor}"}
"""


class Receiver:
    """A webhook endpoint on a free port; accepted requests with a valid signature are in `events`."""

    def __init__(self) -> None:
        self.secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        self.events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        webhook, events = Webhook(self.secret), self.events

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                try:
                    events.put(webhook.verify(body, dict(self.headers.items())))
                    self.send_response(204)
                except WebhookVerificationError:
                    self.send_response(401)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
                """Quiet: what arrives is printed by the demo."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()


def main() -> int:
    """Run the demo until Ctrl-C, or for `--seconds`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end after so long (default: at Ctrl-C)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    folder = Path(tempfile.mkdtemp(prefix="streamgauge-demo-"))
    receiver = Receiver()
    children: list[subprocess.Popen[bytes]] = []
    try:
        up = start(folder, receiver, children)
        show(up, receiver, folder, children, time.monotonic() + arguments.seconds)
    except KeyboardInterrupt:
        say("\nEnding …")
    finally:
        for child in reversed(children):
            stop(child)
        receiver.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def start(folder: Path, receiver: Receiver, children: list[subprocess.Popen[bytes]]) -> dict[str, str]:
    """Start the product and the sensors; returns the product's addresses."""
    (folder / "streamgauge.yaml").write_text(CONFIG.format(port=receiver.port, secret=receiver.secret))
    (folder / "rules.yaml").write_text(RULES)
    files = ("--config", str(folder / "streamgauge.yaml"), "--data-dir", str(folder / "data"))
    options = (*files, "--console", "127.0.0.1:0")
    logs = (folder / "up.log").open("wb")
    children.append(run([*COMMAND, "up", *options], logs))
    up = wait_until_ready(folder / "data" / "run" / "up.json", children[0], folder / "up.log")
    say(f"MQTT listening on {up['mqtt']}, HTTP API on http://{up['http']}")
    say(f"To be seen in a browser: http://{up['console']}")
    fleet = resources.files("simulators") / "fleets" / "demo.yaml"
    simulate = [*COMMAND, "simulate", str(fleet), "--mqtt", up["mqtt"]]
    children.append(run(simulate, (folder / "simulate.log").open("wb")))
    say("200 sensors publish temperature, humidity, CO2 and soil moisture; one of them is about to fail.\n")
    return up


def run(command: list[str], output: BinaryIO) -> subprocess.Popen[bytes]:
    """Start a command that ends with the demo, however that ends."""
    return subprocess.Popen(
        command,
        stdout=output,
        stderr=output,
        env={**os.environ, VARIABLE: Form.TEXT},  # shown to a person if anything fails
        preexec_fn=end_with_parent,  # noqa: PLW1509  # one prctl, and no lock of ours is held at the fork
    )


def wait_until_ready(file: Path, process: subprocess.Popen[bytes], logs: Path) -> dict[str, str]:
    """The addresses that `up` wrote, when its HTTP answers. Raises SystemExit with its log if it ended instead."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            up: dict[str, str] = json.loads(file.read_bytes())
            with Client(f"http://{up['http']}") as client:
                client.get("readyz")
        except (FileNotFoundError, ValueError, ServerUnreachable, ServerRefused):
            time.sleep(0.1)
        else:
            return up
    raise SystemExit(f"streamgauge up did not start:\n{logs.read_text()}")


def show(
    up: dict[str, str], receiver: Receiver, folder: Path, children: list[subprocess.Popen[bytes]], deadline: float
) -> None:
    """Print averages and alerts until the deadline; after the first alert, once, what to try next."""
    hinted = False
    with Client(f"http://{up['http']}") as client:
        while time.monotonic() < deadline:
            for child in children:
                if child.poll() in ENDED_BY_CTRL_C:
                    raise KeyboardInterrupt  # Ctrl-C reached the child first
                if child.poll() is not None:
                    raise SystemExit(f"{child.args!r} ended; see {folder}")
            print_averages(client)
            try:
                event = receiver.events.get(timeout=REFRESH_S)
            except queue.Empty:
                continue
            print_alert(event)
            if not hinted:
                print_hints(up, folder)
                hinted = True


def print_averages(client: Client) -> None:
    """One line: the newest minute's mean temperature of some zones."""
    zones = sorted(zone["zone"] for zone in client.get("v1", "zones")["zones"])[:SHOWN_ZONES]
    if not zones:
        return
    parameters = [("zone", zone) for zone in zones] + [("measure", "temperature"), ("from", "1m")]
    results = client.get("v1", "averages", parameters=parameters)["results"]
    line = "   ".join(
        f"{result['zone']} {result['averages'][-1]['average']:.2f} °C" for result in results if result["averages"]
    )
    if line:
        say(f"{time.strftime('%H:%M:%S')}  averages  {line}")


def print_alert(event: dict[str, Any]) -> None:
    """One alert as the webhook received it."""
    data = event["data"]
    say(f"{time.strftime('%H:%M:%S')}  WEBHOOK   {event['type']}  {data['rule']}  {data['annotations']['summary']}")


def print_hints(up: dict[str, str], folder: Path) -> None:
    """What to try next, while it runs."""
    sql = (
        'SELECT zone_name, AVG(temperature) AS t FROM "agriculture"."readings" WHERE time > ago(5m) GROUP BY zone_name'
    )
    say(
        f"""
While this runs, try in another terminal:
  the API, with a page to try it on   http://{up["http"]}/docs
  a query                             .venv/bin/streamgauge query '{sql}' --endpoint http://{up["http"]}
  the alerts                          .venv/bin/streamgauge alerts list --endpoint http://{up["http"]}
  Spark, DuckDB, Polars: Delta tables {folder}/data/magnetic/default/agriculture/readings
Ctrl-C ends everything and removes the demo's data.

All of it in a browser: http://{up["console"]}
"""
    )


def stop(child: subprocess.Popen[bytes]) -> None:
    """End a child gracefully, and wait for it."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)  # noqa: T201  # the demo talks to its terminal


if __name__ == "__main__":
    sys.exit(main())
