"""The MQTT listener: connections of devices, their permissions, and their acknowledgements."""
