"""The stream: MQTT → readings → records → store and alerts. The only package that sees the others."""

import sys

# httpx brings a command line of its own, if it can: with rich and pygments, a quarter of the CPU of a client command's
# start. None is how Python is told that a module cannot be imported.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # not in typeshed
