"""paho's clients with a thread of their own."""

from __future__ import annotations

import paho.mqtt.client as paho

WITHIN_S = 60.0


def disconnect(client: paho.Client) -> None:
    """Disconnect and wait for the client's thread, which ends then.

    paho's `loop_stop` (2.1) fails if the thread ends while it is called.
    """
    thread = client._thread  # there is no other way to it
    client.disconnect()
    if thread is not None:
        thread.join(WITHIN_S)
