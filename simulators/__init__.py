"""Simulated devices that publish over MQTT; independent of the other packages."""
