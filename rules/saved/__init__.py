"""The saved form of the state of rules, in this version and the one before."""
