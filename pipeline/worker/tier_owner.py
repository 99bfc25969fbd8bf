"""With the embedded log, one data_dir per magnetic tier: two would answer without the newest rows of each other.

The object `_streamgauge/owner` of the tier names the data_dir that writes it, by the id that is kept in the data_dir.
The first start creates it. A start on another data_dir is refused; one on the same data_dir, moved or restored, is not.
The operator who has lost a data_dir deletes the object. In a folder a lock also refuses a copy of the data_dir that
runs at the same time.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.base.errors import ConfigError
from pipeline.base.layout import Layout
from pipeline.base.lock import sole
from pipeline.config import Config
from pipeline.log.log import LogAdmin
from store import layout as store_layout
from store.errors import DamagedObject
from store.objects.damage import Outcome, report
from store.objects.kept_files import read_kept, write_kept
from store.objects.objects import Objects
from store.objects.sealed import set_aside
from store.state_objects import open_state
from store.values.times import rfc3339

OWNER = "owner"


@contextlib.contextmanager
def right_to_tier(config: Config, admin: LogAdmin) -> Iterator[None]:
    """Hold the magnetic tier for this data_dir. Workers of a log on Kafka share theirs: for them this does nothing.

    Raises DataDirLocked if another process has it now, ConfigError if it belongs to another data_dir, and
    MagneticTierError.
    """
    if admin.others_take_over:
        yield
        return
    with contextlib.ExitStack() as held:
        if "://" not in config.magnetic_url:
            lock = Path(config.magnetic_url) / store_layout.OBJECTS / store_layout.LOCK
            held.enter_context(sole(lock, "streamgauge worker"))
        own_tier(config)
        yield


def own_tier(config: Config) -> None:
    """Create the owner object of the magnetic tier; raise ConfigError if it names another data_dir."""
    objects = open_state(config.magnetic_url)
    own_id = data_dir_id(config.layout)
    own = {
        "data_dir_id": own_id,
        "data_dir": str(config.layout.data_dir.absolute()),
        "host": socket.gethostname(),
        "since": rfc3339(time.time_ns(), 0),
    }
    found = _found(objects)
    if found is None and not objects.create(OWNER, json.dumps(own).encode()):
        found = _found(objects)  # another worker was faster
    if found == b"" and config.magnetic_url == str(config.layout.magnetic):  # it is inside the data_dir
        told = f"{objects.url}/{OWNER} is damaged, and is made again; set aside: {set_aside(objects, OWNER)}"
        report("object", told, Outcome.MADE_AGAIN)
        objects.create(OWNER, json.dumps(own).encode())
        return
    if found is not None:
        refuse_other_owner(config.magnetic_url, objects, found, own_id)


def _found(objects: Objects) -> bytes | None:
    """The owner object; empty if it is damaged."""
    try:
        return objects.get(OWNER)
    except DamagedObject:
        return b""


def refuse_other_owner(magnetic_url: str, objects: Objects, found: bytes, own_id: str) -> None:
    """Raise ConfigError if the owner object `found` names another data_dir than that of `own_id`."""
    try:
        owner = json.loads(found)
        owner_id, who = owner["data_dir_id"], f"{owner['data_dir']} on {owner['host']} since {owner['since']}"
    except (ValueError, KeyError, TypeError):
        owner_id, who = None, "an unknown one, as the object is damaged"
    if owner_id != own_id:
        raise ConfigError(
            f"magnetic.url: {magnetic_url} belongs to another data_dir: {who}. Two data_dirs on one magnetic tier "
            "would answer without each other's newest rows: name another magnetic.url. If that data_dir is lost or "
            f"retired, delete {objects.url}/{OWNER} and start again"
        )


def data_dir_id(layout: Layout) -> str:
    """The random id of the data_dir, created by the first call."""
    found = read_kept(layout.id)
    if found is None:
        found = f"{secrets.token_hex(8)}\n".encode()
        write_kept(layout.id, found)
    return found.decode(errors="replace").strip()
