"""The gateway: a process that takes in what devices publish over MQTT, and acknowledges it once the log has it.

`serve` is the server on a given event loop; `run` is the process.
"""
