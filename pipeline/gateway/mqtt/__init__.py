"""MQTT as bytes: packets in, packets out, for the side that takes in what devices publish.

No I/O, no clock, no state but what a call is given (h11 is the model). The sources are the OASIS standards MQTT 3.1.1
(mqtt-v3.1.1-os) and MQTT 5.0 (mqtt-v5.0-os); section numbers in comments are theirs, with "5:" or "3:" in front where
the two differ.
"""
