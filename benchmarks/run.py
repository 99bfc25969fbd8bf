"""The reference load, from MQTT QoS 1 to queryable, with rules and constant queries: one table of results.

    make bench                                      # everything, about 6 minutes
    .venv/bin/python benchmarks/run.py -s 20 bulk   # one of: bulk, devices, flat, recovery

100,000 sensors of 10 accounts, 4 measures per message, shuffled. `bulk`: 20,000 messages/s over 20 connections.
`devices`: the same over 10,000. `flat`: as much as possible. `recovery`: the worker is SIGKILLed under the bulk load.
The baseline is Mosquitto, if it is installed, with the same senders in the same run: a broker that acknowledges the
messages and stores none of them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import repository  # noqa: F401  # for tests.support
from deployment import ACCOUNTS, Usage, WebhookReceiver, mosquitto, product
from probes import PROBE_EVERY_S, QUERIES_PER_S, Dashboard, Prober, Repeated, percentiles_ms

from tests.support.product import Product

SENDER = Path(__file__).with_name("fast_sender.py")
RATE = 20_000
MIB = 2**20
CONNECTIONS = {"bulk": 20, "devices": 10_000, "flat": 20, "recovery": 20}
# Mosquitto → Telegraf → VictoriaMetrics under the same load, measured beforehand on a machine of this size.
USUAL_STACK = {
    "messages/s, flat out": "36,900",
    "CPU s per 100,000 messages": "5.0 (7.2 with vmalert)",
    "to queryable, ms": "1,300",
    "acknowledged messages lost at a SIGKILL": "45,000-72,000",
}


def main() -> int:
    """Run and print; 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-s", "--seconds", type=float, default=60.0, help="of load per scenario (default 60)")
    parser.add_argument("scenarios", nargs="*", choices=[[], *CONNECTIONS], help="default: all")
    arguments = parser.parse_args()
    scenarios = arguments.scenarios or list(CONNECTIONS)
    for scenario in scenarios:
        print(f"\n{scenario}: {CONNECTIONS[scenario]:,} connections", flush=True)
        baseline = None if scenario == "recovery" else run_mosquitto(scenario, min(arguments.seconds, 20.0))
        measured = run_product(scenario, arguments.seconds)
        print_table(measured, baseline)
    print("\nThe usual stack (Mosquitto, Telegraf, VictoriaMetrics), measured beforehand on a machine of this size:")
    for name, result in USUAL_STACK.items():
        print(f"  {name:44} {result}")
    return 0


def send(mqtt: str, scenario: str, seconds: float, accounts: int) -> subprocess.Popen[str]:
    """Start the sender for a scenario."""
    rate = 0 if scenario == "flat" else RATE
    options = {
        "--mqtt": mqtt, "--rate": rate, "--seconds": seconds, "--connections": CONNECTIONS[scenario],
        "--accounts": accounts, "--sensors": 100_000, "--drain": 120,
    }  # fmt: skip
    words = [str(word) for option in options.items() for word in option]
    return subprocess.Popen([sys.executable, str(SENDER), *words], stdout=subprocess.PIPE, text=True)


def run_mosquitto(scenario: str, seconds: float) -> dict[str, float] | None:
    """The baseline's results."""
    with tempfile.TemporaryDirectory() as folder, mosquitto(Path(folder)) as broker:
        if broker is None:
            return None
        address, pid = broker
        usage = Usage({"mosquitto": pid})
        sent = result_of(send(address, scenario, seconds, 0))
        usage.stop()
        return {
            "messages/s": sent["acknowledged"] / sent["seconds"],
            "CPU s per 100,000, in all": usage.cpu_s["mosquitto"] / sent["packets"] * 100_000,
            "PUBACK p50, ms": sent["puback_ms"]["p50"],
            "PUBACK p99, ms": sent["puback_ms"]["p99"],
            "peak RSS, MiB": usage.peak_rss["mosquitto"] / MIB,
        }


def result_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The sender's counts."""
    output, _ = process.communicate()
    result: dict[str, Any] = json.loads(output)
    return result


@contextmanager
def running() -> Iterator[tuple[Product, Prober, WebhookReceiver]]:
    """The product with a prober."""
    receiver = WebhookReceiver()
    with tempfile.TemporaryDirectory() as folder, product(Path(folder), receiver) as started:
        prober = Prober(started, receiver)
        prober.probe()
        yield started, prober, receiver
        prober.close()
    receiver.stop()


def run_product(scenario: str, seconds: float) -> dict[str, float | str]:
    """The product's results."""
    with running() as (started, prober, _):
        dashboard = Dashboard(started)
        probes = Repeated(prober.probe, PROBE_EVERY_S)
        queries = Repeated(dashboard.ask, 1 / QUERIES_PER_S)
        usage = Usage({name: started.pid(name) for name in ("gateway", "worker")})
        sender = send(started.mqtt, scenario, seconds, ACCOUNTS)
        time.sleep(min(10.0, seconds / 4))  # the first messages of 100,000 sensors are slower, and not measured
        probes.start()
        queries.start()
        results: dict[str, float | str] = {}
        if scenario == "recovery":
            results |= recover(started, prober, seconds)
        sent = result_of(sender)
        behind_s = caught_up_s(started, time.monotonic())
        usage.stop()
        probes.stop()
        queries.stop()
        results |= {
            "messages/s": sent["acknowledged"] / sent["seconds"],
            "messages/s until all were queryable": sent["acknowledged"] / (sent["seconds"] + behind_s),
            "unacknowledged": sent["unknown"],
            "PUBACK p50, ms": sent["puback_ms"]["p50"],
            "PUBACK p99, ms": sent["puback_ms"]["p99"],
            "to queryable p50 / p99, ms": percentiles_ms(prober.queryable_s),
            "to webhook p50 / p99, ms": percentiles_ms(prober.webhook_s),
            "dashboard query p50 / p99, ms": percentiles_ms(queries.seconds),
            "dashboard queries answered / failed": f"{len(queries.seconds)} / {queries.failures}",
            "behind after the load, s": behind_s,
            "peak RSS, MiB": sum(usage.peak_rss.values()) / MIB,
        }
        if scenario != "recovery":  # the CPU seconds of a killed process are lost
            for name, cpu_s in usage.cpu_s.items():
                results[f"CPU s per 100,000, {name}"] = cpu_s / sent["packets"] * 100_000
            results["CPU s per 100,000, in all"] = sum(usage.cpu_s.values()) / sent["packets"] * 100_000
            results["cores used"] = sum(usage.cpu_s.values()) / (sent["seconds"] + behind_s)
        return results


def recover(started: Product, prober: Prober, seconds: float) -> dict[str, float | str]:
    """SIGKILL the worker under load; returns the seconds until a later message is queryable, and until the lag is below
    1 s.
    """
    time.sleep(seconds / 2)
    began_s = time.monotonic()
    started.kill("worker")
    queryable_s = prober.probe()
    return {
        "recovery: a new message queryable, s": queryable_s,
        "recovery: lag below 1 s, s": caught_up_s(started, began_s),
    }


def caught_up_s(started: Product, began_s: float) -> float:
    """Seconds from `began_s` until the stream is less than a second behind."""
    while True:
        try:
            with started.client() as client:
                if (client.get("readyz")["lag_seconds"] or 0) < 1.0:
                    return time.monotonic() - began_s
        except Exception:  # noqa: BLE001  # not up yet, or 503 while it catches up
            pass
        time.sleep(0.05)


def print_table(measured: dict[str, float | str], baseline: dict[str, float] | None) -> None:
    """The results next to the baseline's, with ratios."""
    print(f"  {'':44} {'streamgauge':>14} {'mosquitto':>12} {'ratio':>8}")
    for name, result in measured.items():
        if isinstance(result, str):
            print(f"  {name:44} {result:>14}")
            continue
        other = (baseline or {}).get(name)
        beside = "" if other is None else f" {other:12,.2f} {result / other if other else float('nan'):8.2f}"
        print(f"  {name:44} {result:14,.2f}{beside}")


if __name__ == "__main__":
    sys.exit(main())
