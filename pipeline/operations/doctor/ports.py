"""The addresses to listen on: free, used by the running streamgauge, or by another process."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pipeline.base.errors import PortTaken
from pipeline.base.layout import Layout
from pipeline.base.ports import holders_of, reserve
from pipeline.base.quantities import Address
from pipeline.config import Config
from pipeline.operations.doctor.finding import Finding, fail, ok

NAME = "ports"


def check_ports(config: Config) -> Iterator[Finding]:
    """One finding per address."""
    ours = _pids_of_up(config.layout)
    addresses = {
        "listener.address": config.listener.address,
        "listener.metrics": config.listener.metrics,
        "http.address": config.http.address,
        "console.address": config.console.address,
    }
    for setting, address in addresses.items():
        if address is not None:
            yield _check(address, setting, ours)


def _check(address: Address, setting: str, ours: set[int]) -> Finding:
    if ours & set(holders_of(address.port)):
        return ok(NAME, f"{setting}: {address} is held by the streamgauge that runs")
    try:
        reserved, _ = reserve(address, setting)
    except PortTaken as error:
        return fail(NAME, str(error), f"end it, or set another {setting}")
    reserved.close()
    return ok(NAME, f"{setting}: {address} is free")


def _pids_of_up(layout: Layout) -> set[int]:
    """The processes of an `up` on this data_dir, and its children."""
    try:
        state = json.loads(layout.up_state.read_bytes())
        return {pid for pid in (state["pid"], *state["children"].values()) if pid}
    except (OSError, ValueError, KeyError):
        return set()
