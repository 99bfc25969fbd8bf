"""Sends alerts to receivers: deliveries from the archive's queue, by webhook, Alertmanager, MQTT or `apprise`.

Retries, and the headers and signature of webhooks, follow https://www.standardwebhooks.com.
"""

from pipeline.alerting.receivers.alerts_partition import AlertsPartition
from pipeline.alerting.receivers.sender import Sender

__all__ = ["AlertsPartition", "Sender"]
