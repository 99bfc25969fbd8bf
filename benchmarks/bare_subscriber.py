"""The baseline of `brokers.py`: paho as in its documentation, which only counts messages.

    python benchmarks/bare_subscriber.py 127.0.0.1:1883 5 counted

It subscribes to everything with QoS 1, acknowledges at once, and writes the count to a file. SIGTERM ends it.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


def main(address: str, version: str, counted: Path) -> None:
    """Count until SIGTERM; the count is written to the file `counted` about every thousand messages."""
    is_v5 = version == "5"
    client = paho.Client(CallbackAPIVersion.VERSION2, "bare", protocol=paho.MQTTv5 if is_v5 else paho.MQTTv311)
    count = 0

    def on_message(*_: Any) -> None:
        nonlocal count
        count += 1
        if count % 1000 == 0:
            counted.write_text(str(count))

    def on_subscribe(*_: Any) -> None:
        counted.write_text("0")

    client.on_connect = lambda *_: client.subscribe("#", qos=1)
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    signal.signal(signal.SIGTERM, lambda *_: client.disconnect())
    host, _, port = address.rpartition(":")
    properties = None
    if is_v5:
        properties = Properties(PacketTypes.CONNECT)
        properties.ReceiveMaximum = 10_000
    client.connect(host, int(port), properties=properties)
    client.loop_forever()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
