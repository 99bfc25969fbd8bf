"""Rule files: their keys, and their texts into rules; every problem has its file and line."""
