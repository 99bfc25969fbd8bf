"""The topics of the log, by name."""

READINGS = "readings"
ALERTS = "alerts"
DEAD_LETTERS = "dead_letters"
ALL = (READINGS, ALERTS, DEAD_LETTERS)
