"""The stream: topology, stages, normalise, partitions and the state of the rules."""
