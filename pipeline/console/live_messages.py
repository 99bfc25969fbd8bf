"""What `/v1/messages` says of an account: the newest messages on the MQTT topics that a filter matches."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.console.api import Api
from pipeline.console.following import Following

MOST_MESSAGES = 20  # as many as an event of the API has at most


class LiveMessages(Following):
    """The messages, as sent and as understood: those that the log has, and those that come."""

    def __init__(self, api: Api, token: str | None, topic_filter: str) -> None:
        super().__init__(api, token, "/v1/messages", (("mqtt_topic", topic_filter),))
        self._messages: deque[Mapping[str, Any]] = deque(maxlen=MOST_MESSAGES)
        self._is_anew = True

    @property
    def newest(self) -> Sequence[Mapping[str, Any]]:
        """Newest first, as `LiveMessage` of the API."""
        return list(reversed(self._messages))

    def _begin(self) -> None:
        self._is_anew = True

    def _take(self, _: str, data: Any) -> bool:
        if self._is_anew:
            self._messages.clear()
            self._is_anew = False
        self._messages.extend(data["messages"])
        return True
