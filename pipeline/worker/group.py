"""The workers of one log: who the others are, if any, and all requests to them, assembled."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.archive.dead_letters import DeadLetterArchive
from pipeline.api.http.services import Internal
from pipeline.api.inventory.rejected import RejectedPart, rejected_messages
from pipeline.api.inventory.shared import InventoryRequest, SharedDirectory
from pipeline.api.inventory.stores import StoreDirectory
from pipeline.api.inventory.transitions import TransitionsPart, TransitionsRequest, transitions_after
from pipeline.api.inventory.usage import OwnUsage, SharedUsage
from pipeline.base.errors import LogError, PeerUnavailable
from pipeline.base.quantities import Address
from pipeline.cluster import tails
from pipeline.cluster.client import Answered, AsyncPeerClient, Forwarded, PeerAccess, PeerClient, understood
from pipeline.cluster.deletes import Deletes
from pipeline.cluster.outcomes import Outcomes
from pipeline.cluster.owners import Owned, Owners
from pipeline.cluster.pages import PageTokens
from pipeline.cluster.peers import ANSWER_WITHIN_S, Peers
from pipeline.cluster.tails import Tails
from pipeline.config import Config
from pipeline.log.log import LogAdmin
from pipeline.log.query_use import Scan
from pipeline.log.topics import ALERTS, DEAD_LETTERS, READINGS
from pipeline.stream.partitions.manager import PartitionManager
from pipeline.stream.partitions.owned import OwnedPartitions
from store.catalog.catalog import Catalog
from store.errors import DamagedObject
from store.objects.damage import Outcome, report
from store.objects.objects import Objects
from store.objects.sealed import set_aside
from store.reading.lending import Lender
from store.reading.snapshot import Snapshot
from store.store import Store

TIER_ID = "id"  # an object next to the tables: the id of this magnetic tier
INTERNAL_THREADS = 4
_transitions_decoder = msgspec.msgpack.Decoder(TransitionsPart)
_rejected_decoder = msgspec.msgpack.Decoder(RejectedPart)


class GroupTables:
    """The tables of all workers together."""

    def __init__(self, store: Store, tails: Tails) -> None:
        self.catalog: Catalog = store.catalog
        self._store = store
        self._tails = tails

    def update_columns(self) -> None:
        """Load changes of columns into this worker's stores."""
        for store in self._store.stores():
            store.update_columns()

    def snapshot(self, account: str) -> Snapshot:
        """A view of the rows of all workers."""
        return self._store.snapshot(account, self._tails.gather)

    def lender(self, account: str) -> Lender:
        """The same rows, for a query process."""
        return self._store.lender(account, self._tails.gather)


class Group:
    """What one worker needs of the others.

    Created in the worker's event loop; used by the HTTP server and its threads.
    """

    def __init__(
        self,
        config: Config,
        own: Address,
        admin: LogAdmin,
        partitions: PartitionManager,
        alerts: AlertArchive,
        dead_letters: DeadLetterArchive,
        pending: Callable[[], list[Scan]],
    ) -> None:
        """`own`: the address of this worker's HTTP server. `pending`: the use by its queries that is not in the log."""
        self.own = address_of(config, own)
        shared = partitions.store
        access = PeerAccess(
            None if config.peers.token is None else config.peers.token.get_secret_value(),
            tier_id(shared.objects, others_take_over=admin.others_take_over),
            config.peers.ca,
        )
        self.pages = PageTokens(self.own, f"{access.token} {access.tier_id}")
        self.owned = partitions.owned
        self.admin = admin
        self._alerts = alerts
        self._dead_letters = dead_letters
        owners = Owners(partial(admin.owners, self.own))
        self._peers = Peers(self.own, admin.partitions_of(READINGS), owners, PeerClient(access))
        self._client = AsyncPeerClient(access)
        own_directory = StoreDirectory(shared.catalog, lambda: [of.store for of in partitions.owned])
        self.readable = shared.readable
        self.tables = GroupTables(shared, Tails(partitions.owned, self._peers))
        self.directory = SharedDirectory(own_directory, self._peers)
        own_usage = OwnUsage(partitions.owned, pending)
        self.usage = SharedUsage(own_usage, self._peers)
        self.outcome_of = Outcomes(partitions.owned, self._peers, self._client).of
        self.deleted = Deletes(partitions.owned, self._peers, self._client).outcomes
        self.internal = (
            _internal(access, partitions.owned, own_directory, alerts, dead_letters, own_usage)
            if admin.others_take_over
            else None
        )

    def owner_of(self, topic: str) -> str | None:
        """See `pipeline.api.http.forwarding.TopicOwners`."""
        owner = self._peers.owner_of(topic, 0)
        return None if owner == self.own else owner

    def owners(self) -> Owned:
        """The workers that own each (topic, partition), at most a second old. Raises PeerUnavailable."""
        return self._peers.owners.known()

    def page_owner(self, token: str) -> str | None:
        """See `pipeline.api.http.forwarding.TopicOwners`."""
        return self.pages.owner_of(token)

    def others(self) -> list[str]:
        """See `pipeline.api.http.forwarding.TopicOwners`."""
        try:
            members = self.admin.members(self.own)
        except LogError as error:
            raise PeerUnavailable(f"the log does not name the other workers: {error}") from error
        return sorted(members - {self.own})

    async def forward(self, address: str, asked: Forwarded) -> Answered:
        """See `pipeline.api.http.forwarding.TopicOwners`."""
        return await self._client.forward(address, asked)

    def rejected(self, account: str, limit: int) -> RejectedPart:
        """Rejected messages, from the worker that keeps the dead letters. Raises PeerUnavailable."""
        owner = self.owner_of(DEAD_LETTERS)
        if owner is None:
            return rejected_messages(self._dead_letters, account, limit)
        body = msgspec.msgpack.encode(InventoryRequest(account, limit=limit))
        answer = self._peers.client.post(owner, "rejected", body, ANSWER_WITHIN_S)
        with understood(owner):
            return _rejected_decoder.decode(answer)

    def transitions(self, request: TransitionsRequest) -> TransitionsPart:
        """Transitions of alerts, from the worker that keeps the alerts. Raises PeerUnavailable."""
        owner = self.owner_of(ALERTS)
        if owner is None:
            return transitions_after(self._alerts, request)
        answer = self._peers.client.post(owner, "transitions", msgspec.msgpack.encode(request), ANSWER_WITHIN_S)
        with understood(owner):
            return _transitions_decoder.decode(answer)

    def close(self) -> None:
        """Stop asking other workers."""
        self._peers.close()
        if self.internal is not None:
            self.internal.threads.shutdown(wait=False, cancel_futures=True)


def address_of(config: Config, own: Address) -> str:
    """The address of this worker for the others: as configured, else where it listens."""
    address = config.peers.advertise or own
    if address.host in {"0.0.0.0", "::"}:  # noqa: S104  # read, not bound
        address = Address(socket.getfqdn(), address.port)
    scheme = "http" if config.http.tls is None else "https"
    return f"{scheme}://{address}"


def tier_id(objects: Objects, *, others_take_over: bool) -> str:
    """The id of the magnetic tier; the first caller creates it."""
    objects.create(TIER_ID, secrets.token_hex(8).encode())
    try:
        found = objects.get(TIER_ID)
    except DamagedObject as error:
        if others_take_over:
            raise DamagedObject(f"{error}; delete it, and restart all workers: the first creates another") from error
        told = f"{error}; it is made again; set aside: {set_aside(objects, TIER_ID)}"
        report("object", told, Outcome.MADE_AGAIN)
        return tier_id(objects, others_take_over=others_take_over)
    assert found is not None
    return found.decode()


def _internal(
    access: PeerAccess,
    owned: OwnedPartitions,
    directory: StoreDirectory,
    alerts: AlertArchive,
    dead_letters: DeadLetterArchive,
    usage: OwnUsage,
) -> Internal:
    return Internal(
        access,
        owned,
        directory,
        partial(tails.answer, owned),
        partial(rejected_messages, dead_letters),
        partial(transitions_after, alerts),
        usage,
        ThreadPoolExecutor(INTERNAL_THREADS, thread_name_prefix="internal"),
    )
