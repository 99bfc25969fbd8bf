"""The HTTP application: zones, averages, alerts, devices, dead letters, SQL, health, metrics, and Timestream's protocol."""
