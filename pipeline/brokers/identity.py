"""Who a gateway process is to the brokers: client ids that last over restarts, and that no two processes share.

A session belongs to a client id, and a broker that sees it twice throws the first connection out. So each process takes
the first identity of the data_dir that nobody has (a lock that ends with the process, however it ends), and makes a new
one if all are taken. What was subscribed to is kept beside it: a session outlives the configuration it was made by.

brokers/
├── 0.json      an identity: its random part, and the filters of each session
└── 0.lock      held by the process that has it
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import secrets
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.brokers.settings import BrokerSettings
from store.files import make_folders, write_atomic


class Identity:
    """One identity of the folder, held until `release`. Raises OSError if the folder cannot be used."""

    def __init__(self, folder: Path) -> None:
        make_folders(folder)
        for number in itertools.count():
            lock = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            self._lock = lock
            self._path = folder / f"{number}.json"
            break
        self._state = self._read()
        if "name" not in self._state:
            self._state = {"name": secrets.token_hex(6), "sessions": {}}
            self._save()

    def release(self) -> None:
        """Let another process have it."""
        os.close(self._lock)

    def client_id(self, settings: BrokerSettings, others: Sequence[BrokerSettings]) -> str:
        """The client id for one entry; `others` are the entries before it. Up to 23 characters, letters and digits, as
        every broker takes them (3.1.3.1).
        """
        if settings.client_id is not None:
            return settings.client_id
        place = f"{settings.host}:{settings.port}:{settings.username or ''}"
        same = sum((other.host, other.port, other.username) == _place(settings) for other in others)
        return f"sg{self._state['name']}{zlib.crc32(f'{place}:{same}'.encode()):08x}"

    def filters_of(self, client_id: str) -> tuple[str, ...]:
        """What the session of `client_id` was last known to be subscribed to."""
        return tuple(self._state["sessions"].get(client_id, ()))

    def remember_filters(self, client_id: str, filters: Sequence[str]) -> None:
        """Keep that for the next start."""
        if self.filters_of(client_id) != tuple(filters):
            self._state["sessions"][client_id] = list(filters)
            self._save()

    def _read(self) -> dict[str, Any]:
        """The state, or nothing: a lost identity costs a new session, never a start."""
        try:
            state = json.loads(self._path.read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        is_ours = isinstance(state, dict) and isinstance(state.get("sessions"), dict)
        return state if is_ours and isinstance(state.get("name"), str) else {}

    def _save(self) -> None:
        write_atomic(self._path, json.dumps(self._state).encode())


def _place(settings: BrokerSettings) -> tuple[str, int, str | None]:
    return settings.host, settings.port, settings.username
