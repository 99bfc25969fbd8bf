"""Telling receivers of alerts: deliveries out of the archive's queue, posted with Standard Webhooks headers.

https://www.standardwebhooks.com: the specification that headers, signature and retries follow.
"""

from pipeline.alerting.webhooks.alerts_partition import AlertsPartition
from pipeline.alerting.webhooks.sender import WebhookSender

__all__ = ["AlertsPartition", "WebhookSender"]
