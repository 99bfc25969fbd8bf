"""The gateway: a process that receives what devices publish over MQTT, and acknowledges it when it is in the log.

`serve` is the server on a given event loop; `run` is the process.
"""
