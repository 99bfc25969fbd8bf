"""The checks of a history: what is acknowledged, in the log, visible, alerted and delivered agrees, in every order.

Each is a law about the whole; what is broken is named, and ends the simulation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import orjson

from pipeline.log.topics import ALERTS
from store.reading.averages import zone_averages
from store.record import TableId
from tests.simulation import oracle
from tests.simulation.silence_oracle import silences

if TYPE_CHECKING:
    from tests.simulation.processes import WorkerProcess
    from tests.simulation.world import World

DATABASE = "sim"
NEVER_NS = 1 << 62
NOTED_WITHIN_NS = 2_000_000_000  # an answer is noted by then, if the process lives
Rows = Mapping[oracle.Key, Mapping[str, float]]


class Broken(AssertionError):
    """A law is broken."""


def check_log(world: World) -> None:
    """What is acknowledged is in the log, nothing is there that was not sent, in the order of each device.

    A message of QoS 2 is there once for each connection on which it was sent, a message of QoS 1 at most as often as it
    was sent.
    """
    sent = {(each.mqtt_topic, each.payload): each for device in world.devices for each in device.sent}
    there: Counter[tuple[str, bytes]] = Counter()
    order: dict[str, list[int]] = {}
    for message in oracle.messages(world.log):
        if message.kind in oracle.UNPUBLISHED:
            continue
        key = message.mqtt_topic, message.payload
        if key not in sent:
            raise Broken(f"the log has what nobody sent: {key}")
        there[key] += 1
        if there[key] == 1 and sent[key].qos == 1:
            order.setdefault(message.mqtt_topic, []).append(sent[key].number)
    for key, each in sent.items():
        count = there[key] + world.damaged[key]
        if each.is_acknowledged and not count:
            raise Broken(f"{each.device} {each.number} was acknowledged, and is not in the log")
        allowed = len(set(each.connections)) if each.qos == 2 else len(each.connections)
        if count > allowed and world.is_alone:  # a Kafka that does not answer may have it twice
            raise Broken(f"{each.device} {each.number} of QoS {each.qos} is in the log {count} times, not {allowed}")
    for mqtt_topic, numbers in order.items():
        if numbers != sorted(numbers):
            raise Broken(f"{mqtt_topic}: the log has another order than the device: {numbers}")


def check_verdicts(world: World) -> None:
    """A request that is answered is in the log, and the answer is what its record met there the last time."""
    judged = oracle.verdicts(oracle.messages(world.log))
    for writer in world.writers:
        for request in writer.requests:
            if request.verdicts is None:
                continue
            found = judged.get(request.payload)
            if found is None:
                raise Broken(f"{writer.name} {request.number} was answered, and is not in the log")
            if found[-1] != request.verdicts:
                raise Broken(f"{writer.name} {request.number} was answered {request.verdicts}, and is {found}")


def check_averages(world: World, worker: WorkerProcess) -> None:
    """Averages of zones are those of the rows that a query finds, up to what is applied."""
    table = TableId("default", DATABASE, "air")
    if not world.is_alone or worker.manager.store.catalog.find(table) is None:
        return
    (partition,) = worker.manager.owned
    index = partition.store.registry.of(table)
    zones = {zone: [at for at, of in enumerate(index.zones) if of == zone] for zone in index.zones if zone is not None}
    upto = [partition.progress.applied_offset]
    expected = oracle.averages(oracle.rows(oracle.messages(world.log, upto)), "air", "v")
    if not expected:
        return
    with world.group.snapshot(worker) as snapshot:
        found = zone_averages(snapshot, index, zones, ["v"], from_ns=0, to_ns=NEVER_NS)
    told = {zone: (of[0].count, of[0].average * of[0].count) for (zone, _), of in found.items() if of}
    if told.keys() != expected.keys() or any(
        told[zone][0] != count or abs(told[zone][1] - total) > 1e-6 * abs(total)
        for zone, (count, total) in expected.items()
    ):
        raise Broken(f"up to {upto} the averages of zones are {told}, not {expected}")


def visible(worker: WorkerProcess) -> tuple[Rows, int]:
    """The rows that a query of this worker finds, and how many there are."""
    rows: dict[oracle.Key, dict[str, float]] = {}
    count = 0
    with worker.world.group.snapshot(worker) as snapshot:
        snapshot.look_for_newest()  # else a table that another worker has just created may be missing
        for table in snapshot.tables(DATABASE) if DATABASE in snapshot.databases() else ():
            columns = snapshot.schema(DATABASE, table).columns
            source = snapshot.source(TableId("default", DATABASE, table))
            found = snapshot.execute(f"SELECT * FROM {source}").to_pylist()
            physical = {column.name: column.physical for column in columns}
            measures = [column for column in columns if column.kind == "measure"]
            for row in found:
                key = table, row[physical["zone"]], row[physical["device"]], row["time_ns"]
                values = {column.name: row[column.physical] for column in measures}
                rows[key] = {name: value for name, value in values.items() if value is not None}
            count += len(found)
    return rows, count


def check_rows(world: World, worker: WorkerProcess) -> None:
    """A query sees what the log has up to what is applied: nothing else, nothing twice, with the newest values."""
    upto = [-1] * world.log.partitions
    for each in world.workers:
        for partition in each.manager.owned:
            upto[partition.number] = partition.progress.applied_offset
    expected = oracle.rows(oracle.messages(world.log, upto))
    rows, count = visible(worker)
    world.note(f"{worker.name} is asked at {upto}: {count} rows")
    _compare(expected, rows, f"up to {upto}")
    if count != len(rows):
        raise Broken(f"up to {upto} a query finds {count} rows of {len(rows)} keys")


def _compare(expected: Rows, rows: Rows, where: str) -> None:
    if expected == rows:
        return
    missing, more = expected.keys() - rows.keys(), rows.keys() - expected.keys()
    other = [(key, expected[key], rows[key]) for key in expected.keys() & rows.keys() if expected[key] != rows[key]]
    raise Broken(
        f"{where} a query misses {len(missing)}, has {len(more)} more, and {len(other)} others: "
        f"{sorted(missing)[:3]} {sorted(more)[:3]} {sorted(other)[:3]}"
    )


def check_alerts(world: World) -> None:
    """[alerts] has every event of the rules, the firing one first, and repeats only with the same content.

    An alert has one id, whatever was repeated.
    """
    alerts = oracle.alerts(oracle.messages(world.log)) | silences(world.log)
    expected = {(*key, status): (at_ns, value) for key, events in alerts.items() for status, at_ns, value in events}
    found: dict[tuple[str, str, int, str], dict[str, object]] = {}
    seen: dict[str, set[str]] = {}
    for message in world.log.of(ALERTS).history:
        for entry in orjson.loads(message):
            if "event" not in entry:
                continue
            data = entry["event"]["data"]
            key = data["rule"].removeprefix("sim/"), data["dimensions"]["device"], _ns(data["since"]), data["status"]
            if found.setdefault(key, data) != data:
                raise Broken(f"the event {key} is repeated with another content: {data}, not {found[key]}")
            seen.setdefault(data["id"], set()).add(data["status"])
            if data["status"] == "resolved" and "firing" not in seen[data["id"]]:
                raise Broken(f"the alert {key} is resolved, and has not fired")
    if found.keys() != expected.keys():
        raise Broken(
            f"alerts missing: {sorted(expected.keys() - found.keys())[:3]}, "
            f"not expected: {sorted(found.keys() - expected.keys())[:3]}"
        )
    if len({(key[:3], data["id"]) for key, data in found.items()}) != len({key[:3] for key in found}):
        raise Broken("an alert has two ids")
    world.events = {f"{data['id']}.{data['status']}" for data in found.values()}


def check_deliveries(world: World) -> None:
    """Every receiver gets every event, the firing one before the resolved one, and nothing again that was answered.

    Again only if the process that had posted it was killed soon after.
    """
    for url, got in world.receivers.got.items():
        closed_ns: dict[str, int] = {}  # from when on an event must not come again
        for each in got:
            if each.status == "resolved" and f"{each.alert}.firing" not in closed_ns:
                raise Broken(f"{url} got {each.id} before the firing")
            if world.is_alone and each.at_ns > closed_ns.get(each.id, NEVER_NS):  # a new owner may not know of it
                raise Broken(f"{url} got {each.id} again, which it had accepted")
            noted_ns = each.at_ns + NOTED_WITHIN_NS
            if each.is_answered and world.killed_ns.get(each.process.name, NEVER_NS) > noted_ns:
                closed_ns[each.id] = noted_ns
            elif each.is_accepted:
                closed_ns.setdefault(each.id, NEVER_NS)
    for receiver in world.config.receivers:
        url = receiver.webhook.url.get_secret_value()  # type: ignore[union-attr]  # they are webhooks
        delivered = {each.id for each in world.receivers.got.get(url, []) if each.is_accepted}
        if delivered != world.events:
            raise Broken(
                f"{url} did not get {sorted(world.events - delivered)[:3]}, got {sorted(delivered - world.events)[:3]}"
            )


def check_archives(world: World, worker: WorkerProcess) -> None:
    """The archives have every alert in its last state, every delivery settled, and each dead letter once."""
    alerts = {(alert.id, alert.status) for alert in worker.alerts.list(limit=10_000)}
    resolved = {event.removesuffix(".resolved") for event in world.events if event.endswith(".resolved")}
    ids = {event.split(".")[0] for event in world.events}
    if alerts != {(each, "resolved" if each in resolved else "firing") for each in ids}:
        raise Broken(f"the archive has other alerts: {sorted(alerts)[:5]}")
    deliveries = worker.alerts.deliveries(limit=10_000)
    if any(delivery.state != "delivered" for delivery in deliveries):
        raise Broken(f"not settled: {[(d.id, d.receiver, d.state) for d in deliveries if d.state != 'delivered'][:3]}")
    letters = [archived.letter for archived in worker.dead_letters.list(limit=10_000)]
    found = Counter((*map(int, letter.id.split(":")[-3:]), letter.payload) for letter in letters)
    expected = oracle.dead_letters(world.log)
    if set(found) != expected or len(letters) != len(expected):
        raise Broken(
            f"{len(letters)} dead letters, not {len(expected)}: missing {sorted(expected - set(found))[:3]}, "
            f"more {sorted(set(found) - expected)[:3]}"
        )


def _ns(text: str) -> int:
    whole, _, rest = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 1_000_000_000 + int(rest.ljust(9, "0") or 0)
