"""The reference load, from MQTT QoS 1 to queryable, with rules and constant queries: one table of results.

    make bench                                              # everything, about 8 minutes
    .venv/bin/python benchmarks/run.py -s 20 --turns 2 bulk # one of: bulk, devices, flat, new, recovery

100,000 sensors of 10 accounts, 4 measures per message, shuffled. `bulk`: 20,000 messages/s over 20 connections.
`devices`: the same over 10,000. `flat`: as much as possible. `new`: 50,000 messages/s, probed from the first on, when
no series is known. `recovery`: the worker is SIGKILLed under the bulk load.

The same senders, probes and queries measure in the same run, by turns:

- the peers: Mosquitto → Telegraf → VictoriaMetrics with vmalert, if `benchmarks/peers/build` has built them
- Mosquitto alone, if it is installed: a broker that acknowledges the messages and stores none of them
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import repository  # noqa: F401  # for tests.support
from deployment import ACCOUNTS, Usage, WebhookReceiver, mosquitto, product
from peer_chain import is_built, peer_chain
from probes import PROBE_EVERY_S, QUERIES_PER_S, Prober, Questions, Repeated, percentiles_ms

from tests.support.product import Product

SENDER = Path(__file__).with_name("fast_sender.py")
RATE = 20_000
RATES = {"flat": 0, "new": 50_000}  # of other scenarios; 0: as much as possible
MIB = 2**20
CONNECTIONS = {"bulk": 20, "devices": 10_000, "flat": 20, "new": 20, "recovery": 20}
WARM_UP_S = 10.0  # the first messages of 100,000 sensors are slower, and not probed

Results: TypeAlias = dict[str, float | str]


@dataclass
class System:
    """A running system: where messages go, whose CPU counts, and how it is asked.

    accounts      of the sender; 0: anonymous
    ask           one query of a dashboard; raises what `Repeated` counts as a failure
    caught_up_s   waits until all that was sent is queryable; returns the seconds that took
    webhook_s     from PUBLISH to the webhook, of the probes whose alert has arrived
    """

    mqtt: str
    pids: dict[str, int]
    accounts: int
    prober: Prober
    ask: Callable[[], None]
    caught_up_s: Callable[[], float]
    webhook_s: Callable[[], list[float]] = list


def main() -> int:
    """Run and print; 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-s", "--seconds", type=float, default=60.0, help="of load per scenario (default 60)")
    parser.add_argument("--turns", type=int, default=1, help="of each system, one after another (default 1)")
    parser.add_argument("scenarios", nargs="*", choices=[[], *CONNECTIONS], help="default: all")
    arguments = parser.parse_args()
    for scenario in arguments.scenarios or list(CONNECTIONS):
        for _ in range(arguments.turns):
            print(f"\n{scenario}: {CONNECTIONS[scenario]:,} connections", flush=True)
            print_table(*measure(scenario, arguments.seconds))
    return 0


def measure(scenario: str, seconds: float) -> tuple[Results, dict[str, Results]]:
    """The results of the product, and of what it is compared with by name."""
    if scenario in {"recovery", "new"}:
        return run_system(the_product(), scenario, seconds), {}
    others: dict[str, Results] = {}
    if is_built():
        others["peers"] = run_system(the_peers(), scenario, seconds)
    broker = run_mosquitto(scenario, min(seconds, 20.0))
    if broker is not None:
        others["mosquitto"] = broker
    return run_system(the_product(), scenario, seconds), others


def send(mqtt: str, scenario: str, seconds: float, accounts: int) -> subprocess.Popen[str]:
    """Start the sender for a scenario."""
    options = {
        "--mqtt": mqtt, "--rate": RATES.get(scenario, RATE), "--seconds": seconds,
        "--connections": CONNECTIONS[scenario], "--accounts": accounts, "--sensors": 100_000, "--drain": 120,
    }  # fmt: skip
    words = [str(word) for option in options.items() for word in option]
    return subprocess.Popen([sys.executable, str(SENDER), *words], stdout=subprocess.PIPE, text=True)


def result_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The sender's counts."""
    output, _ = process.communicate()
    result: dict[str, Any] = json.loads(output)
    return result


@contextmanager
def running() -> Iterator[tuple[Product, WebhookReceiver]]:
    """The product, and the receiver of its webhooks."""
    receiver = WebhookReceiver()
    with tempfile.TemporaryDirectory() as folder, product(Path(folder), receiver) as started:
        yield started, receiver
    receiver.stop()


@contextmanager
def the_product() -> Iterator[System]:
    """The product, to be measured."""
    with running() as (started, receiver):
        questions = Questions(started)
        prober = Prober(started.mqtt, questions.is_queryable, account=0, ts_per_s=10**9)
        prober.probe()

        def webhook_s() -> list[float]:
            arrived_s = receiver.arrived_s
            return [arrived_s[sensor] - sent_s for sensor, sent_s in prober.sent_s.items() if sensor in arrived_s]

        pids = {name: started.pid(name) for name in ("gateway", "worker")}
        yield System(
            started.mqtt, pids, ACCOUNTS, prober, questions.ask, lambda: lag_below_1_s(started), webhook_s=webhook_s
        )
        prober.close()


@contextmanager
def the_peers() -> Iterator[System]:
    """The programs that the product is compared with."""
    with tempfile.TemporaryDirectory() as folder, peer_chain(Path(folder)) as chain:
        prober = Prober(chain.mqtt, chain.is_queryable)
        prober.probe()
        yield System(chain.mqtt, chain.pids, 0, prober, chain.ask, prober.probe)
        prober.close()


def run_mosquitto(scenario: str, seconds: float) -> Results | None:
    """The results of Mosquitto alone; None if it is not installed."""
    with tempfile.TemporaryDirectory() as folder, mosquitto(Path(folder)) as broker:
        if broker is None:
            return None
        address, pid = broker
        usage = Usage({"mosquitto": pid})
        sent = result_of(send(address, scenario, seconds, 0))
        usage.stop()
        return of_sender(sent) | of_usage(usage, sent)


def of_sender(sent: dict[str, Any]) -> Results:
    """What the sender saw."""
    return {
        "messages/s": sent["acknowledged"] / sent["seconds"],
        "PUBACK p50, ms": sent["puback_ms"]["p50"],
        "PUBACK p99, ms": sent["puback_ms"]["p99"],
    }


def of_usage(usage: Usage, sent: dict[str, Any]) -> Results:
    """What the processes used."""
    by_process = {
        f"CPU s per 100,000, {name}": cpu_s / sent["packets"] * 100_000 for name, cpu_s in usage.cpu_s.items()
    }
    return {
        **(by_process if len(by_process) > 1 else {}),
        "CPU s per 100,000, in all": sum(usage.cpu_s.values()) / sent["packets"] * 100_000,
        "peak RSS, MiB": sum(usage.peak_rss.values()) / MIB,
    }


def run_system(starting: AbstractContextManager[System], scenario: str, seconds: float) -> Results:
    """The results of a system."""
    with starting as system:
        probes = Repeated(system.prober.probe, PROBE_EVERY_S)
        queries = Repeated(system.ask, 1 / QUERIES_PER_S)
        usage = Usage(system.pids)
        sender = send(system.mqtt, scenario, seconds, system.accounts)
        time.sleep(0 if scenario == "new" else min(WARM_UP_S, seconds / 4))
        probes.start()
        queries.start()
        recovery = recover(system, seconds) if scenario == "recovery" else {}
        sent = result_of(sender)
        behind_s = system.caught_up_s()
        usage.stop()
        probes.stop()
        queries.stop()
        return {
            **recovery,
            **of_sender(sent),
            "messages/s until all were queryable": sent["acknowledged"] / (sent["seconds"] + behind_s),
            "unacknowledged": sent["unknown"],
            "to queryable p50 / p99, ms": percentiles_ms(system.prober.queryable_s),
            "to webhook p50 / p99, ms": percentiles_ms(system.webhook_s()),
            "dashboard query p50 / p99, ms": percentiles_ms(queries.seconds),
            "dashboard queries answered / failed": f"{len(queries.seconds)} / {queries.failures}",
            "behind after the load, s": behind_s,
            # the CPU seconds of a killed process are lost
            **(of_usage(usage, sent) if scenario != "recovery" else {}),
        }


def recover(system: System, seconds: float) -> Results:
    """SIGKILL the worker under load; returns the seconds until a later message is queryable, and until the lag is below
    1 s.
    """
    time.sleep(seconds / 2)
    began_s = time.monotonic()
    os.kill(system.pids["worker"], signal.SIGKILL)
    queryable_s = system.prober.probe()
    system.caught_up_s()
    return {
        "recovery: a new message queryable, s": queryable_s,
        "recovery: lag below 1 s, s": time.monotonic() - began_s,
    }


def lag_below_1_s(started: Product) -> float:
    """Wait until the stream is less than a second behind; returns the seconds that took."""
    began_s = time.monotonic()
    while True:
        try:
            with started.client() as client:
                if (client.get("readyz")["lag_seconds"] or 0) < 1.0:
                    return time.monotonic() - began_s
        except Exception:  # noqa: BLE001  # not up yet, or 503 while it catches up
            pass
        time.sleep(0.05)


def print_table(measured: Results, others: dict[str, Results]) -> None:
    """The results next to those of the others, with ratios."""
    heads = "".join(f" {name:>16} {'ratio':>8}" for name in others)
    print(f"  {'':44} {'streamgauge':>16}{heads}")
    only_others = [name for results in others.values() for name in results if name not in measured]
    for name in [*measured, *dict.fromkeys(only_others)]:
        print(f"  {name:44} {_shown(measured.get(name)):>16}", end="")
        for results in others.values():
            print(f" {_shown(results.get(name)):>16} {_ratio(measured.get(name), results.get(name)):>8}", end="")
        print()


def _shown(result: float | str | None) -> str:
    return "" if result is None else result if isinstance(result, str) else f"{result:,.2f}"


def _ratio(mine: float | str | None, other: float | str | None) -> str:
    return f"{mine / other:.2f}" if isinstance(mine, float) and isinstance(other, float) and other else ""


if __name__ == "__main__":
    sys.exit(main())
