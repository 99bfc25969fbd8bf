"""Devices that publish over MQTT; they know nothing of the rest."""
