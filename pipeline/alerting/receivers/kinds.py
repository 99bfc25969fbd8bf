"""The kinds of receivers. The library of a kind is imported only if a receiver is of it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence

from pipeline.alerting.receivers.http import HttpNotifier, trust_of
from pipeline.alerting.receivers.notifier import Notifier
from pipeline.alerting.receivers.transport import Resolve, resolve
from pipeline.config.brokers import Broker
from pipeline.config.receivers import Receiver


def notifier_of(
    receiver: Receiver,
    brokers: Sequence[Broker],
    *,
    wall_ns: Callable[[], int],
    ssl_context: ssl.SSLContext | None = None,
    resolve: Resolve = resolve,
) -> Notifier:
    """The connection to a receiver. Raises ConfigError if it cannot be used as it is configured."""
    if receiver.mqtt is not None:
        from pipeline.alerting.receivers.mqtt import MqttNotifier  # noqa: PLC0415  # paho

        broker = next(broker for broker in brokers if broker.label == receiver.mqtt.broker)
        return MqttNotifier(receiver, receiver.mqtt, broker)
    if receiver.apprise is not None:
        from pipeline.alerting.receivers.by_apprise import AppriseNotifier  # noqa: PLC0415  # beside the others only

        return AppriseNotifier(receiver, receiver.apprise)
    assert receiver.endpoint is not None
    trust = ssl_context or trust_of(receiver, receiver.endpoint)
    return HttpNotifier(receiver, receiver.endpoint, wall_ns=wall_ns, ssl_context=trust, resolve=resolve)


def check_receiver(receiver: Receiver) -> None:
    """Raises ConfigError if a receiver cannot be used as it is configured."""
    if receiver.apprise is not None:
        from pipeline.alerting.receivers.by_apprise import check_url  # noqa: PLC0415  # as above

        check_url(receiver, receiver.apprise)
    elif receiver.endpoint is not None:
        trust_of(receiver, receiver.endpoint)
