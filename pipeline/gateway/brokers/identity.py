"""The identity of a gateway: its name in the log, its client ids at brokers, and the filters subscribed under each.

A broker stores a session, with our unacknowledged messages, by client id. So an id has to survive every restart, and
two gateways must never have the same one, because they would end each other's connections again and again. It consists
of a random id in the data_dir, and of the gateway's *slot*: the lowest number that no other gateway on this data_dir
holds (by a lock that ends with the process). So a restarted gateway finds its session again.

brokers/
├── identity.json        the random id
├── slot-0.lock          held by a gateway
├── slot-0.json          its subscriptions, by client id
└── slot-0-….seen        the last messages received, for each client id (`seen`)
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pipeline.base.errors import DataDirError
from pipeline.config.brokers import Broker
from store.objects.file_lock import FileLock, Taken, turn
from store.objects.files import make_folders
from store.objects.kept_files import read_kept, write_kept

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
_MOST_GATEWAYS = 1_000
_ID_CHARACTERS = 23  # 3.1.1, 3.1.3.1: the length that every server accepts


class Identity:
    """Holds the lowest free slot in `folder` of the data_dir until `release` or the end of the process.

    Raises DataDirError if the folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        try:
            make_folders(folder)
            self._random_id = _random_id(folder)
            self.slot, self._lock = _take_slot(folder)
        except OSError as error:
            raise DataDirError(f"{folder} cannot be used: {error.strerror or error}") from error
        self.name = f"{self._random_id}-{self.slot}"  # the same after a restart, and of no other gateway
        self._file = folder / f"slot-{self.slot}.json"
        self._filters, self._asked = _read_filters(self._file)

    def client_ids(self, brokers: Sequence[Broker]) -> list[str]:
        """One client id for each of `brokers`.

        It depends on the broker's address and our credentials, not on order or topics.
        """
        seen: dict[str, int] = {}
        ids = []
        for broker in brokers:
            who = json.dumps([broker.label, broker.credentials[0], broker.group, broker.account])
            seen[who] = seen.get(who, 0) + 1
            ids.append(self._client_id(broker, f"{self._random_id} {self.slot} {who} {seen[who]}"))
        return ids

    def _client_id(self, broker: Broker, who: str) -> str:
        if broker.client_id is None:
            digest = hashlib.sha256(who.encode()).hexdigest()
            return f"streamgauge-{digest}"[:_ID_CHARACTERS]
        return broker.client_id if self.slot == 0 else f"{broker.client_id}-{self.slot + 1}"

    def seen_file(self, client_id: str) -> Path:
        """The file with the last messages received under `client_id`."""
        return self._file.with_name(f"slot-{self.slot}-{hashlib.sha256(client_id.encode()).hexdigest()[:12]}.seen")

    def subscribed(self, client_id: str) -> frozenset[str]:
        """The filters that the broker granted in the session of `client_id`."""
        return frozenset(self._filters.get(client_id, ()))

    def may_have(self, client_id: str) -> frozenset[str]:
        """As `subscribed`, with those that were requested and whose response may have been lost."""
        return self.subscribed(client_id) | frozenset(self._asked.get(client_id, ()))

    def ask(self, client_id: str, filters: Sequence[str]) -> None:
        """Record that these filters are about to be requested."""
        if not set(filters) <= self.may_have(client_id):
            self._asked[client_id] = sorted({*self._asked.get(client_id, ()), *filters})
            self._save()

    def remember(self, client_id: str, filters: Sequence[str]) -> None:
        """Record that the session of `client_id` has exactly these filters."""
        if self._filters.get(client_id) != list(filters) or client_id in self._asked:
            self._filters[client_id] = list(filters)
            self._asked.pop(client_id, None)
            self._save()

    def _save(self) -> None:
        state = {"format_version": FORMAT_VERSION, "filters": self._filters, "asked": self._asked}
        try:
            write_kept(self._file, json.dumps(state).encode())
        except OSError as error:  # a full disk: then a filter that is removed later stays subscribed
            logger.warning("%s cannot be written: %s", self._file, error.strerror)

    def release(self) -> None:
        """Release the slot."""
        self._lock.release()


def _random_id(folder: Path) -> str:
    path = folder / "identity.json"
    with turn(folder / "identity.lock"):
        data = read_kept(path)
        if data is None:
            data = json.dumps({"format_version": FORMAT_VERSION, "id": secrets.token_hex(8)}).encode()
            write_kept(path, data)
        try:
            found = json.loads(data)
            version, identity = found["format_version"], str(found["id"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataDirError(
                f"{path} does not say who this gateway is to its brokers; put it back, or remove it and its copy to "
                "be someone new: what brokers keep for us is not asked for then"
            ) from error
    if version != FORMAT_VERSION:
        raise DataDirError(f"{path} has format version {version}; this streamgauge reads {FORMAT_VERSION}")
    return identity


def _take_slot(folder: Path) -> tuple[int, FileLock]:
    for slot in range(_MOST_GATEWAYS):
        with suppress(Taken):
            return slot, FileLock(folder / f"slot-{slot}.lock")
    raise DataDirError(f"{folder}: {_MOST_GATEWAYS} gateways run on this data_dir already")


def _read_filters(path: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """By client id, the filters that were granted, and those that were only requested."""
    try:
        data = read_kept(path)
        if data is None:
            return {}, {}
        state = json.loads(data)
        found = state["filters"], state["asked"]
    except (ValueError, KeyError, TypeError):
        logger.warning("%s is damaged: filters that were removed from the configuration may stay subscribed", path)
        return {}, {}
    return found
