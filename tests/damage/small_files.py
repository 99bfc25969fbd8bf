"""The small files of a data_dir: its format and id, the owner of its magnetic tier, and what a gateway keeps."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from pipeline.base.layout import prepare
from pipeline.config import Config
from pipeline.gateway.brokers.identity import Identity
from pipeline.gateway.brokers.seen import Seen
from pipeline.worker.tier_owner import data_dir_id, own_tier
from store.state_objects import open_state

ID = "id of the data_dir"  # a file of the test's own
FILTERS = ["gh/#", "field/+"]
MESSAGES = {f"gh/{number}": f"message {number}".encode() for number in range(50)}


class SmallFiles:
    """See `Subject`."""

    kinds: Mapping[str, str] = {
        "`format.json`": "data/format.json",
        "copy of `format.json`": "data/format.json.copy",
        "`id`": "data/id",
        "copy of `id`": "data/id.copy",
        "owner of the magnetic tier": "data/magnetic/_streamgauge/owner",
        "`brokers/identity.json`": "data/brokers/identity.json",
        "copy of `identity.json`": "data/brokers/identity.json.copy",
        "subscriptions at brokers": "data/brokers/slot-0.json",
        "copy of the subscriptions": "data/brokers/slot-0.json.copy",
        "last retained messages": "data/brokers/slot-0-*.seen",
    }

    def make(self, folder: Path) -> Mapping[str, Path]:
        """Before the last change of subscriptions and messages, and after it."""
        for name, filters in (("older", FILTERS[:1]), ("stopped", FILTERS)):
            if name == "stopped":
                shutil.copytree(folder / "older", folder / name)
            config = _config(folder / name)
            prepare(config.layout)
            own_tier(config)
            open_state(config.magnetic_url).create("catalog", b"")  # as a store does
            identity = Identity(config.layout.brokers)
            identity.remember("c", filters)
            seen = Seen(identity.seen_file("c"))
            seen.note(MESSAGES, [f"{name}: ".encode() + message for message in MESSAGES.values()])
            seen.save(seen.snapshot())
            (folder / name / ID).write_text(f"{data_dir_id(config.layout)} {identity._random_id}")
            identity.release()
        return {name: folder / name for name in ("older", "stopped")}

    def is_whole(self, folder: Path) -> bool:
        """It is the same data_dir and the same gateway, which takes no message for one that it had."""
        config = _config(folder)
        for _ in range(2):
            prepare(config.layout)
            own_tier(config)
            identity = Identity(config.layout.brokers)
            try:
                found = f"{data_dir_id(config.layout)} {identity._random_id}"
                assert found == (folder / ID).read_text()
                assert identity.subscribed("c") in (set(FILTERS), set(FILTERS[:1]))
                seen = Seen(identity.seen_file("c"))
                assert not any(seen.has(topic, b"another") for topic in MESSAGES)
                known = [seen.has(topic, b"stopped: " + message) for topic, message in MESSAGES.items()]
            finally:
                identity.release()
        assert all(known) or not any(known)
        return True  # retained messages that are not known are stored once more


def _config(folder: Path) -> Config:
    return Config.model_validate({"data_dir": folder / "data"})
