"""The list of commands. A command is listed when it works; its module is imported only when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """The place of a command (`module:attribute`, a click command), and its line in --help."""

    target: str
    help: str


COMMANDS: Mapping[str, Entry] = {
    "up": Entry("pipeline.operations.cli.up:up", "Run everything on this machine; Ctrl-C ends it."),
    "gateway": Entry("pipeline.operations.cli.gateway:gateway", "Run one gateway: MQTT in, log out."),
    "worker": Entry("pipeline.operations.cli.worker:worker", "Run one worker: store, rules, webhooks, HTTP."),
    "console": Entry("pipeline.operations.cli.console:console", "Run the console: pages for browsers."),
    "simulate": Entry("simulators.cli:simulate", "Publish what a fleet of simulated sensors measures."),
    "query": Entry("pipeline.operations.cli.query:query", "Run an SQL query on a server."),
    "delete": Entry("pipeline.operations.cli.delete:delete", "Count rows of a table, or delete them."),
    "averages": Entry("pipeline.operations.cli.averages:averages", "Averages of zones over time."),
    "tables": Entry("pipeline.operations.cli.tables:tables", "Tables, their series and newest times."),
    "latest": Entry("pipeline.operations.cli.latest:latest", "The last values of sensors."),
    "zones": Entry("pipeline.operations.cli.zones:zones", "Zones, their sensors and newest times."),
    "alerts": Entry(
        "pipeline.operations.cli.alerts:alerts", "Alerts: list, show, acknowledge, silence, and who is told."
    ),
    "receivers": Entry("pipeline.operations.cli.receivers:receivers", "Receivers of alerts: list, test."),
    "devices": Entry(
        "pipeline.operations.cli.devices:devices",
        "Devices: tables, last message, rejected messages and altered fields.",
    ),
    "measures": Entry("pipeline.operations.cli.measures:measures", "Types and units of measures: list, retype, unit."),
    "dead-letters": Entry(
        "pipeline.operations.cli.dead_letters:dead_letters",
        "Messages that could not become records: list, show, replay.",
    ),
    "usage": Entry("pipeline.operations.cli.usage:usage", "What accounts wrote, stored and scanned, and its cost."),
    "import": Entry(
        "pipeline.operations.cli.importing:importing", "Import history: UNLOAD, CSV, Parquet, JSON lines, InfluxDB."
    ),
    "migrate": Entry(
        "pipeline.operations.cli.migrate:migrate", "Moving here from Amazon Timestream: check files, compare answers."
    ),
    "rules": Entry("pipeline.operations.cli.rules:rules", "Check rule files; list the rules of a server."),
    "detect": Entry("pipeline.operations.cli.detect:detect", "Anomaly scores of the rows of a file."),
    "detectors": Entry("pipeline.operations.cli.detectors:detectors", "What detectors have learnt."),
    "reload": Entry(
        "pipeline.operations.cli.reload:reload", "Have a server read rules, receivers, routes and silences again."
    ),
    "doctor": Entry(
        "pipeline.operations.cli.doctor:doctor", "Check the configuration, this machine and a running server."
    ),
    "backup": Entry(
        "pipeline.operations.cli.backup:backup", "Back up everything while it runs; list or verify backups."
    ),
    "restore": Entry("pipeline.operations.cli.backup:restore", "Restore a backup into an empty data_dir."),
    "config": Entry("pipeline.operations.cli.config:config", "Show, describe or begin a streamgauge.yaml."),
}
