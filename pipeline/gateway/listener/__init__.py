"""The MQTT listener: connections of devices, what they may do, and their acknowledgements."""
