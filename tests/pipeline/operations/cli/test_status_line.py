"""The line at the bottom of a terminal, over children of the test's own."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.base.process import end_with_parent

pytestmark = pytest.mark.processes

UP = """
import sys
from pathlib import Path
from pipeline.operations.cli import up
from pipeline.base.quantities import parse_address
from pipeline.base.layout import Layout
from pipeline.operations.supervisor.supervisor import Addresses, Plan
assert sys.stderr.isatty()
up.REFRESH_S = 0.1
gateway = '''
import socket, time
server = socket.create_server(("127.0.0.1", {port}), reuse_port=True)
print("[hello] devices", flush=True)
time.sleep(60)
'''
worker = '''
import http.server, os, sys
os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
from pipeline.base import metrics
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        metrics.messages_received.labels("1").inc(1_000_000)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
class Server(http.server.ThreadingHTTPServer):
    allow_reuse_port = True
Server(('127.0.0.1', {port}), Handler).serve_forever()
'''
layout = Layout(Path(sys.argv[1]))
def command(code, address):
    return (sys.executable, "-c", code.format(port=address.port), str(layout.metrics))
plan = Plan(layout, Addresses(parse_address("127.0.0.1:0"), parse_address("127.0.0.1:0")),
            gateway=lambda at: command(gateway, at.mqtt), worker=lambda at: command(worker, at.http))
sys.exit(up.StatusLine(layout.metrics).run(plan))
"""


def test_a_terminal_shows_the_rate_below_what_the_children_say(tmp_path: Path) -> None:
    terminal, other_end = pty.openpty()
    environ = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(
        [sys.executable, "-c", UP, tmp_path],
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        env=environ,
        preexec_fn=end_with_parent,  # noqa: PLW1509  # there are no threads
    )
    os.close(other_end)
    try:
        shown = _read_until(terminal, b"3,000,000 in all")
        process.send_signal(signal.SIGINT)
        shown += _read_until(terminal, None)

        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    assert b"[hello] devices" in shown
    assert b"ready: MQTT listening on 127.0.0.1:" in shown
    assert b" messages/s \xc2\xb7 " in shown
    assert b"ending: the gateway, then the worker" in shown


def _read_until(terminal: int, wanted: bytes | None) -> bytes:
    """What the terminal shows until `wanted` is in it; None: until its program has ended."""
    shown, deadline_s = b"", time.monotonic() + 60
    with contextlib.suppress(OSError):  # Linux ends a pty's output so
        while (wanted is None or wanted not in shown) and time.monotonic() < deadline_s:
            shown += os.read(terminal, 4096)
    return shown
