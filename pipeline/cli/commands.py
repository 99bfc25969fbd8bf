"""Which commands there are. A command is listed once it works; its module is imported only when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is (`module:attribute`, a click command), and its line in --help."""

    target: str
    help: str


COMMANDS: Mapping[str, Entry] = {
    "up": Entry("pipeline.cli.up:up", "Run everything on this machine; Ctrl-C ends it."),
    "gateway": Entry("pipeline.cli.gateway:gateway", "Run one gateway: MQTT in, log out."),
    "worker": Entry("pipeline.cli.worker:worker", "Run one worker: store, rules, webhooks, HTTP."),
    "rules": Entry("pipeline.cli.rules:rules", "Check rule files."),
    "config": Entry("pipeline.cli.config:config", "Show, describe or begin a streamgauge.yaml."),
}
