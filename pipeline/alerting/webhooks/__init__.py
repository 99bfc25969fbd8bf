"""Posts alerts to receivers: deliveries from the archive's queue, with the headers of Standard Webhooks.

Headers, signature and retries follow https://www.standardwebhooks.com.
"""

from pipeline.alerting.webhooks.alerts_partition import AlertsPartition
from pipeline.alerting.webhooks.sender import WebhookSender

__all__ = ["AlertsPartition", "WebhookSender"]
