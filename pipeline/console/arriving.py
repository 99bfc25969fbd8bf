"""The newest messages that the API still has in its log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.console.site import Site

DATA = "data: "


async def newest_messages(site: Site, token: str | None, topic_filter: str) -> list[Mapping[str, Any]]:
    """Those on MQTT topics that match, newest first, as sent and as understood. Raises what `Api.get` raises."""
    parameters = (("mqtt_topic", topic_filter), ("follow", "false"))
    events = await site.shared.get(token, "/v1/messages", parameters, text=True)
    found = [json.loads(line.removeprefix(DATA)) for line in events.splitlines() if line.startswith(DATA)]
    return [message for event in reversed(found) for message in reversed(event.get("messages", []))]
