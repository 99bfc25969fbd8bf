"""What a worker holds of [readings]: for each partition that is its own, a normaliser, a store, the rules' state."""
