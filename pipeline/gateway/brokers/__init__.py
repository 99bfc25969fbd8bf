"""Brokers → the stage: we subscribe, and acknowledge to the broker what the log has.

The promise begins at our PUBACK: it is sent once the message is on disk, in the order of the PUBLISHes, on the
connection that brought it and on no other. What is not acknowledged the broker keeps for our session and sends again.

paho-mqtt speaks the protocol: it connects, subscribes, keeps alive. PUBLISHes, which are nearly all that ever comes,
are taken out of the bytes before it sees them, in bulk, by the parser that the listener has
(`pipeline.gateway.mqtt.bulk`): paho takes some 50 µs for each. Everything runs in the gateway's event loop; nothing
goes from thread to thread.
"""
