"""What operators run: commands, supervisor, doctor, demo."""
