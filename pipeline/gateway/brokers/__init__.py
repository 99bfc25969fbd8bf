"""Subscriptions to brokers: their messages go to the stage, and are acknowledged when they are in the log.

A PUBACK is sent after the message is on disk, in the order of the PUBLISHes, and only on the connection that delivered
it. The broker keeps unacknowledged messages for our session and sends them again.

paho-mqtt implements the protocol: it connects, subscribes, keeps alive. PUBLISHes, which are almost all packets, are
extracted from the bytes before it sees them, in bulk, by the parser of the listener (`pipeline.gateway.mqtt.bulk`),
because paho takes about 50 µs for each. Everything runs in the gateway's event loop; no data passes between threads.
"""
