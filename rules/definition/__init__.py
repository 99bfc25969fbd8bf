"""What a rule says: its parts, and how they are read from YAML."""
