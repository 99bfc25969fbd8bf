"""The HTTP application: zones, averages, alerts, devices, dead letters, SQL, health, metrics, Timestream's protocol."""
