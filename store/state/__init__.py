"""What a table needs to go on after a restart: its series, positions, and rows not committed yet."""
