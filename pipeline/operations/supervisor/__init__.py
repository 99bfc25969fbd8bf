"""`up`: starts a worker and the gateways on this machine, watches and restarts them, and ends them in order."""
