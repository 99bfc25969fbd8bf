"""The cost of TLS on the listener compared with plain TCP: CPU of bulk connections, handshakes, memory.

python benchmarks/tls_cost.py [--seconds 10] [--rate 20000] [--handshakes 500]

The load is that of `streamgauge simulate` with 20 connections, QoS 1. Certificates are ECDSA P-256, made for the run.
"""

from __future__ import annotations

import argparse
import json
import socket
import ssl
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psutil
import repository  # noqa: F401  # for tests.support
import trustme

from tests.support.commands import COMMAND
from tests.support.mqtt_packets import connect
from tests.support.product import Product

FLEET = "sensors: 10000\ninterval: 5s\nlayout: {regions: [eu-west], greenhouses: 10, zones: [north, south]}\n"
CONNACK_BYTES = 4


def certificates(folder: Path) -> Path:
    """Files of a server in `folder`, and the file of its CA."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
    issued.private_key_pem.write_to_path(str(folder / "server.key"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    return folder / "ca.pem"


def cpu_s(gateway: psutil.Process) -> float:
    """The CPU seconds of the gateway."""
    times = gateway.cpu_times()
    return float(times.user + times.system)


def bulk(product: Product, gateway: psutil.Process, ca: Path | None, seconds: float, rate: int) -> tuple[float, float]:
    """(messages/s acknowledged, the gateway's CPU seconds per 100,000 messages)."""
    fleet, told = product.folder / "fleet.yaml", product.folder / "summary.json"
    fleet.write_text(FLEET)
    trust = [] if ca is None else ["--tls-ca", str(ca)]
    options = ["--mqtt", product.mqtt, "--rate", str(rate), "--duration", f"{seconds:g}s", "--summary", str(told)]
    before_s = cpu_s(gateway)
    subprocess.run([*COMMAND, "simulate", str(fleet), *options, *trust], check=True, capture_output=True)
    used_s = cpu_s(gateway) - before_s
    result: dict[str, Any] = json.loads(told.read_text())
    return result["acknowledged"] / seconds, used_s / result["acknowledged"] * 100_000


def connections(product: Product, gateway: psutil.Process, ca: Path | None, count: int) -> tuple[float, float]:
    """(the gateway's CPU ms a connection until its CONNACK, its memory in KiB a connection)."""
    host, _, port = product.mqtt.rpartition(":")
    context = None if ca is None else ssl.create_default_context(cafile=ca)
    before_s, before_bytes = cpu_s(gateway), gateway.memory_info().rss
    devices = []
    for number in range(count):
        device = socket.create_connection((host, int(port)))
        if context is not None:
            device = context.wrap_socket(device, server_hostname=host)
        device.sendall(connect(f"d{number}", keep_alive_s=0))
        assert len(device.recv(CONNACK_BYTES)) == CONNACK_BYTES
        devices.append(device)
    used_s, used_bytes = cpu_s(gateway) - before_s, gateway.memory_info().rss - before_bytes
    for device in devices:
        device.close()
    return used_s / count * 1000, used_bytes / count / 1024


def main() -> None:
    """Measure plain and TLS, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--handshakes", type=int, default=500)
    options = parser.parse_args()
    print(f"{'':6} {'messages/s':>11} {'CPU-s/100,000':>14} {'ms/connection':>14} {'KiB/connection':>15}")
    for name in ("plain", "TLS"):
        with tempfile.TemporaryDirectory() as path:
            folder = Path(path)
            ca = certificates(folder) if name == "TLS" else None
            tls = ", tls: {certificate: server.pem, key: server.key}" if ca else ""
            text = f'listener: {{address: "127.0.0.1:0"{tls}}}\nhttp: {{address: "127.0.0.1:0"}}\n'
            with Product(folder, text) as product:
                gateway = psutil.Process(product.pid("gateway"))
                cost_ms, memory_kib = connections(product, gateway, ca, options.handshakes)
                rate, cost_s = bulk(product, gateway, ca, options.seconds, options.rate)
            print(f"{name:6} {rate:11,.0f} {cost_s:14.2f} {cost_ms:14.2f} {memory_kib:15.1f}", flush=True)


if __name__ == "__main__":
    main()
