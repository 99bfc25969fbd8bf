"""MQTT packets as bytes: decoding and encoding for a server that receives published messages.

No I/O, no clock, no state except arguments (the model is h11). The sources are the OASIS standards MQTT 3.1.1
(mqtt-v3.1.1-os) and MQTT 5.0 (mqtt-v5.0-os); section numbers in comments are theirs, with "5:" or "3:" in front where
the two differ.
"""
