"""The stream: MQTT → readings → records → store and alerts. The only package that sees the others."""
