"""The command `simulate`: a fleet of devices that publish over MQTT, for any duration.

Exit codes: 0 fine (Ctrl-C too), 1 messages were left unacknowledged, refused or unsent, 2 wrong usage or FLEET.yaml, 3
the broker cannot be reached.
"""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import ssl
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import uvloop

from simulators import packets
from simulators.connection import Session
from simulators.console import Console, open_console, show_summary
from simulators.errors import BrokerRefused, BrokerUnreachable, FleetFileError
from simulators.fleet import Fleet, parse_rates
from simulators.fleet_file import load_fleet
from simulators.labels import write_labels
from simulators.mqtt_client import Publisher
from simulators.run import Progress, publish_all, summary
from simulators.simulation import Simulation
from simulators.start import parse_start_ns
from store.values.durations import parse_duration

T = TypeVar("T")
DEFAULT_CONNECTIONS = 20
SPARE_FILES = 64  # for everything that is not a connection


@dataclass(frozen=True, slots=True)
class Options:
    """How to publish, and which files to write at the end."""

    host: str
    port: int
    connections: int
    session: Session
    tls: ssl.SSLContext | None
    speed: float | None
    duration_s: float | None
    labels: Path | None
    summary: Path | None


class _Parsed(click.ParamType):
    """An option with a parser that raises ValueError."""

    def __init__(self, name: str, parse: Callable[[str], object]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """The parsed text; an invalid one is wrong usage."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, "1883"
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f'"{text}" is not HOST:PORT, as in 127.0.0.1:1883')
    return host.strip("[]"), int(port)


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1e6:
        raise ValueError(f'"{text}" is not a speed; write a number above 0 (1 is real time), or max')
    return speed


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("fleet_file", metavar="FLEET.yaml", type=click.Path(path_type=Path))
@click.option(
    "--mqtt", type=_Parsed("host:port", _address), default="127.0.0.1:1883", show_default=True, help="Where to publish."
)
@click.option(
    "--connections",
    type=click.IntRange(1, 100_000),
    help=f"MQTT connections; as many as sensors: each its own, under its name. [default: {DEFAULT_CONNECTIONS}]",
)
@click.option("--qos", type=click.Choice(["0", "1"]), default="1", show_default=True, help="Of MQTT.")
@click.option(
    "--protocol", type=click.Choice(list(packets.LEVELS)), default="3.1.1", show_default=True, help="Version of MQTT."
)
@click.option("--username", help="MQTT user name.")
@click.option("--password", envvar="STREAMGAUGE_SIMULATE_PASSWORD", show_envvar=True, help="MQTT password.")
@click.option(
    "--tls-ca",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Speak TLS with a server whose certificate is of these authorities (PEM).",
)
@click.option(
    "--tls-certificate",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Client certificate (PEM), of all connections.",
)
@click.option("--tls-key", type=click.Path(path_type=Path, dir_okay=False), help="Its key (PEM).")
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    help="Messages per second of event time, over all sensors; instead of the fleet's interval.",
)
@click.option(
    "--speed", type=_Parsed("x", _speed), default="1", show_default=True, help="Event time over real time, or max."
)
@click.option(
    "--start", help="First event time: now, -6h, or 2026-06-21T06:00:00Z. [default: as the fleet says, else now]"
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Same seed, fleet and start: same messages, same faults.",
)
@click.option(
    "--faults",
    type=_Parsed("kind=rate,…", parse_rates),
    help="Probability per message of each kind, as in spike=0.001,stuck=0.0001.",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write each fault's label here (.csv, else JSON lines).",
)
@click.option(
    "--duration",
    type=_Parsed("duration", lambda text: parse_duration(text).total_seconds()),
    help="How much event time to publish, as in 10m. [default: until Ctrl-C]",
)
@click.option(
    "--summary",
    "summary_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what was sent and acknowledged here, as JSON.",
)
def simulate(fleet_file: Path, mqtt: tuple[str, int], **given: Any) -> None:
    """Publish the readings of simulated greenhouses over MQTT.

    FLEET.yaml says which sensors, how often, and what goes wrong with them. Ctrl-C ends it once what is in flight is
    acknowledged. The numbers of sent and acknowledged messages are printed at the end.
    """
    fleet = _fleet(fleet_file, given)
    connections = min(given["connections"] or DEFAULT_CONNECTIONS, fleet.sensors)
    session = Session(
        qos=int(given["qos"]),
        level=packets.LEVELS[given["protocol"]],
        username=given["username"],
        password=given["password"],
    )
    options = Options(
        *mqtt,
        connections,
        session,
        _tls(given["tls_ca"], given["tls_certificate"], given["tls_key"]),
        given["speed"],
        given["duration"],
        given["labels"],
        given["summary_file"],
    )
    _allow_open_files(connections + SPARE_FILES)
    try:
        start_ns = parse_start_ns(given["start"] or fleet.start, time.time_ns())
        simulation = Simulation(fleet, seed=given["seed"], start_ns=start_ns)
    except ValueError as error:
        raise click.UsageError(f"{fleet_file}: {error}") from error
    sys.exit(_run(simulation, options))


def _fleet(file: Path, given: Mapping[str, Any]) -> Fleet:
    """The fleet of the file, with options replacing its own settings."""
    try:
        fleet = load_fleet(file)
    except FleetFileError as error:
        raise click.UsageError(str(error)) from error
    changes: dict[str, object] = {}
    if given["rate"] is not None:
        if not 0.001 <= fleet.sensors / given["rate"] <= 86_400:
            raise click.UsageError(
                f"--rate {given['rate']:g} is too high or low for {fleet.sensors} sensors: 1 ms to 1 d each"
            )
        changes["interval_s"] = fleet.sensors / given["rate"]
    if given["faults"] is not None:
        changes["faults"] = fleet.faults.model_copy(update={"rates": {**fleet.faults.rates, **given["faults"]}})
    return fleet.model_copy(update=changes)


def _tls(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """The TLS settings; None: no TLS."""
    if (certificate is None) != (key is None) or (certificate is not None and ca is None):
        raise click.UsageError("--tls-certificate and --tls-key go together, and with --tls-ca")
    if ca is None:
        return None
    try:
        context = ssl.create_default_context(cafile=ca)
        if certificate is not None:
            context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        files = ", ".join(str(file) for file in (ca, certificate, key) if file is not None)
        raise click.UsageError(f"{files}: not what TLS needs: {error}") from error
    return context


def _run(simulation: Simulation, options: Options) -> int:
    """Publish, then write the files and the summary; returns the exit code."""
    try:
        with open_console() as console, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            result = runner.run(_publish(simulation, options, console))
    except (BrokerUnreachable, BrokerRefused) as error:
        click.echo(f"Error: {error}", err=True)
        return 3
    finally:
        if options.labels is not None:
            write_labels(options.labels, simulation.labels)
    if options.summary is not None:
        options.summary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    show_summary(result)
    return 1 if result["unacknowledged"] or result["refused"] or result["never_sent"] else 0


async def _publish(simulation: Simulation, options: Options, console: Console) -> dict[str, object]:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    names = simulation.site.names
    prefix = f"simulated-{time.time_ns() // 1_000_000:x}"  # simultaneous runs need different client ids
    ids = names if options.connections == len(names) else [f"{prefix}-{n}" for n in range(options.connections)]
    progress = Progress(simulation.start_ms, 0.0)

    def report(now: Progress) -> None:
        progress.event_ms = now.event_ms
        console.show_progress(publisher.counts, now)

    async with Publisher(options.host, options.port, ids, options.session, options.tls) as publisher:
        began_s = time.monotonic()
        await publish_all(
            simulation,
            publisher,
            options.connections,
            speed=options.speed,
            duration_s=options.duration_s,
            stop=stop,
            report=report,
        )
        elapsed_s = time.monotonic() - began_s
    return summary(publisher, simulation, progress, options.session.qos, elapsed_s)


def _allow_open_files(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise click.UsageError(
            f"{needed} open files are needed, {hard} allowed; use fewer --connections or raise the limit (ulimit -Hn)"
        )
    if needed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
