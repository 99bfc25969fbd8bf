"""Cuts the power of a recorded disk at chosen moments, and starts the product's worker on what is left.

The worker is the real one in a process of its own, forked from one that has imported everything, because hundreds are
started; only `up` and the gateway, which keep nothing but the log, are left out.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx

from pipeline.base.errors import ServerRefused, ServerUnreachable
from pipeline.base.layout import prepare
from pipeline.log import open_appender
from pipeline.log.frame import FrameKind, encode_frame
from pipeline.log.topics import READINGS
from pipeline.operations.cli.options import begin_logging, load_from
from pipeline.operations.client import Client
from tests.support.forked import fork
from tests.support.ports import kept_ports
from tests.support.power.disk import Disk
from tests.support.power.journal import Record, Recorder
from tests.support.power.laws import broken, in_log
from tests.support.power.load import Message, Promises, Publisher
from tests.support.power.recording import DATA, ProductOnDisk, Recording, config, under_load
from tests.support.power.survivors import Survivors

START_S = 60.0
SETTLE_S = 20.0  # archives and alerts follow the log; a law that stays broken so long is
SOON_S = 3.0  # the same where breaking a law is what is expected
AT_ONCE = 2

Check = Callable[[Path, Promises, "Cut"], list[str]]


@dataclass(frozen=True)
class Cut:
    """The power goes after the first `at` records; what survives is chosen by `seed`, or as it says."""

    at: int
    seed: str
    names: str = ""
    content: str = ""
    starts: int = 1  # the product is killed and started again that often
    settle_s: float = SETTLE_S


@dataclass
class Outcome:
    """What was found after a cut."""

    cut: Cut
    last: str  # record before the cut
    survivors: str
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"cut {self.cut.at} (seed {self.cut.seed}) after {self.last}; {self.survivors}: {'; '.join(self.broken)}"


def spread_cuts(records: list[Record], count: int, seed: int, *, kinds: Iterable[str] = ()) -> list[Cut]:
    """Cuts before or after operations on files of each kind in turn: of some there are thousands, of others a few."""
    by_kind: dict[str, list[int]] = defaultdict(list)
    disk = Disk(records)
    for number, record in enumerate(records):
        disk.follow(record)
        if record.op not in "Om?":
            what = "fsync" if record.op == "S" else "change"
            by_kind[f"{disk.kind_at(record) or 'mark'} {what}"].append(number)
    rng = random.Random(seed)
    turns = [turn for kind, turn in sorted(by_kind.items()) if not kinds or kind.split()[0] in kinds]
    chosen = sorted(rng.choice(turns[number % len(turns)]) + rng.randint(0, 1) for number in range(count))
    return [Cut(at, f"{seed}.{at}.{number}", starts=1 + (number % 4 == 3)) for number, at in enumerate(chosen)]


def try_cuts(
    recording: Recording,
    cuts: list[Cut],
    folder: Path,
    is_synced: Callable[[str], bool] = lambda _kind: True,
    check: Check | None = None,
) -> Iterator[Outcome]:
    """The outcome of each cut, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting: list[Future[Outcome]] = []
        for number, (cut, place, outcome, promises) in enumerate(_states(recording, cuts, folder, is_synced)):
            if number >= 2 * AT_ONCE:
                yield waiting[number - 2 * AT_ONCE].result()
            waiting.append(pool.submit(_try, cut, place, outcome, promises, check or check_worker))
        for each in waiting[-2 * AT_ONCE :]:
            yield each.result()


def _states(
    recording: Recording, cuts: list[Cut], folder: Path, is_synced: Callable[[str], bool]
) -> Iterator[tuple[Cut, Path, Outcome, Promises]]:
    disk, at = Disk(recording.records, is_synced), 0
    for number, cut in enumerate(sorted(cuts, key=lambda cut: cut.at)):
        for record in recording.records[at : cut.at]:
            disk.follow(record)
        at = cut.at
        survivors = Survivors(disk, cut.seed, cut.names, cut.content)
        place = folder / f"{number:05d}"
        place.mkdir()
        survivors.write_to(place / "disk")
        last = recording.records[at - 1]
        what = f"{last.op} {disk.kind_at(last)} {last.path2 or last.path}"
        outcome = Outcome(cut, what, f"names {survivors.names}, content {survivors.content}")
        yield cut, place, outcome, Promises.of(recording.records[: cut.at])


def _try(cut: Cut, place: Path, outcome: Outcome, promises: Promises, check: Check) -> Outcome:
    outcome.broken = check(place, promises, cut)
    if not outcome.broken:
        shutil.rmtree(place)
    return outcome


def check_worker(place: Path, promises: Promises, cut: Cut) -> list[str]:
    """Start the worker on `place`/disk, and let messages go on; the laws that are broken.

    It is killed and started again for each start but the last.
    """
    for start in range(cut.starts):
        with kept_ports(1) as (port,), Client(f"http://127.0.0.1:{port}") as client:
            config_file = place / "streamgauge.yaml"
            config_file.write_text(config(place, http=f"127.0.0.1:{port}"))
            process = fork(_run_worker, place, config_file, output=place / "worker.log")
            try:
                found = settled(client, promises, partial(getattr, process, "exitcode"), cut.settle_s)
                if not found and start == cut.starts - 1:
                    later, more = promises.going_on(in_log(client, promises))
                    _append(config_file, place / "disk" / DATA, more)
                    found = [
                        f"afterwards {law}"
                        for law in settled(client, later, partial(getattr, process, "exitcode"), cut.settle_s)
                    ]
            finally:
                process.kill()
                process.join()
        if found:
            return [*found, (place / "worker.log").read_text()[-1500:]]
    return []


def check_product(place: Path, promises: Promises, cut: Cut) -> list[str]:
    """Start the whole product on `place`/disk, and let devices go on; the laws that are broken."""
    recorder = Recorder(place, place / "disk")  # for the marks of the devices
    try:
        with ProductOnDisk(recorder) as product, product.client() as client:
            found = settled(client, promises, lambda: None, cut.settle_s)
            if found:
                return found
            counts = in_log(client, promises)
            publishers = [
                Publisher(recorder, connection, promises.start_ms, 40.0, first=count)
                for connection, count in counts.items()
            ]
            with under_load(product, publishers):
                time.sleep(0.5)  # the duration is what is sent
            for record in recorder.records():
                if record.op == "M":
                    promises.note(record.data.decode())
            found = settled(client, promises, lambda: None, cut.settle_s)
            metrics = httpx.get(f"http://{product.http}/metrics")
            return [*found, *([] if metrics.is_success else [f"/metrics: {metrics.status_code} {metrics.text[:300]}"])]
    except AssertionError as error:
        return [str(error)[-1500:]]


def _append(config_file: Path, data_dir: Path, messages: list[Message]) -> None:
    """What a gateway does with messages."""
    settings = load_from(config_file, {"--data-dir": str(data_dir)}).config.log_settings
    now_ns, count = time.time_ns(), len(messages)
    stamps, accounts = [now_ns + number for number in range(count)], ["default"] * count
    topics, payloads = [message.topic for message in messages], [message.payload for message in messages]

    async def append() -> None:
        appender = open_appender(settings)
        await appender.start()
        await appender.append(READINGS, encode_frame(FrameKind.MQTT, stamps, accounts, topics, payloads))
        await appender.stop()

    asyncio.run(append())


def settled(client: Client, promises: Promises, ended: Callable[[], int | None], settle_s: float) -> list[str]:
    """The laws that are broken once the worker has caught up and nothing improves any more."""
    found, deadline = ["it does not become ready"], time.monotonic() + START_S
    is_ready = False
    while time.monotonic() < deadline:
        if (code := ended()) is not None:
            return [f"the worker ended with exit code {code}"]
        try:
            client.get("readyz")
            if not is_ready:
                is_ready, deadline = True, time.monotonic() + settle_s
            found = broken(client, promises)
            if not found:
                return []
        except ServerUnreachable:
            pass
        except ServerRefused as error:
            found = [f"refused: {error}"]
        time.sleep(0.2)
    return found


def _run_worker(place: Path, config_file: Path) -> None:
    """The command `worker`, in a process that has imported it."""
    from pipeline.worker.worker import run  # what it imports is for that process

    loaded = load_from(config_file, {"--data-dir": str(place / "disk" / DATA)})
    prepare(loaded.config.layout)
    begin_logging("worker")
    run(loaded.config, loaded.again)
