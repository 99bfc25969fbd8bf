"""`up`: a worker and the gateways on this machine, started, watched, restarted, and ended in order."""
