"""Publishes the messages that wait, each until it is accepted, for a day. The catalog has them: a crash loses none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from store.endpoint.context import Context, Topics
from store.endpoint.scheduled.messages import attributes_of
from store.endpoint.scheduled_query import Message, Scheduled, change_scheduled, scheduled_of
from store.errors import StoreError
from store.values.backoff import Backoff

log = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0
ATTEMPT_NS = 60_000_000_000  # after which an attempt has ended, even if its worker has
GIVE_UP_NS = 86_400_000_000_000
_BACKOFF = Backoff(first_s=2.0, longest_s=600.0)


@dataclass(frozen=True, slots=True)
class Messenger:
    """Publishes in one event loop. `call_for`: a call for an account."""

    topics: Topics
    call_for: Callable[[str], Context]

    async def work(self, wake: asyncio.Event) -> None:
        """Publish what is due until cancelled; looks again when `wake` is set, and every few seconds."""
        try:
            while True:
                wake.clear()
                try:
                    await self.publish_due()
                except (StoreError, OSError) as error:
                    log.warning("messages about scheduled queries wait for the storage: %s", error)
                try:
                    await asyncio.wait_for(wake.wait(), LOOK_EVERY_S)
                except TimeoutError:
                    continue
        finally:
            await self.topics.close()

    async def publish_due(self) -> None:
        """Publish the messages of all accounts that are due."""
        for account in self.call_for("").store.catalog.accounts():
            for message in await asyncio.to_thread(self._taken, account):
                await asyncio.to_thread(self._end, account, message, await self._publish(message))

    async def _publish(self, message: Message) -> str | None:
        """None if it was accepted, else what went wrong."""
        content = msgspec.json.encode(message.content)
        try:
            return await self.topics.publish(message.topic, message.id, attributes_of(message), content)
        except Exception as error:  # the other messages are published, and this one later
            log.exception("the message %s could not be published", message.id)
            return f"unexpected: {type(error).__name__}"

    def _taken(self, account: str) -> list[Message]:
        """The messages that are due: no other worker sees them so for a minute."""
        call = self.call_for(account)
        waiting = scheduled_of(call.store.catalog.account_settings(account)).messages
        if not any(message.due_ns <= call.now_ns for message in waiting):
            return []

        def changed(scheduled: Scheduled) -> list[Message]:
            due = [message for message in scheduled.messages if message.due_ns <= call.now_ns]
            for message in due:
                message.due_ns, message.attempts = call.now_ns + ATTEMPT_NS, message.attempts + 1
            return due

        return change_scheduled(call.store.catalog, account, changed)

    def _end(self, account: str, message: Message, told: str | None) -> None:
        """Forget a message that was accepted, or is too old; else let it wait."""
        call = self.call_for(account)
        is_over = told is None or call.now_ns - message.since_ns > GIVE_UP_NS
        if told is not None:
            what = "is given up" if is_over else "is tried again"
            log.warning("the message %s to the topic %s %s: %s", message.id, message.topic, what, told)

        def changed(scheduled: Scheduled) -> None:
            for waiting in scheduled.messages:
                if waiting.id == message.id:
                    waiting.due_ns = call.now_ns + int(_BACKOFF.wait_s(message.attempts) * 1_000_000_000)
            if is_over:
                scheduled.messages = [waiting for waiting in scheduled.messages if waiting.id != message.id]

        change_scheduled(call.store.catalog, account, changed)
