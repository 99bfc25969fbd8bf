"""What becomes of judged values: alerts that fire, change, and end."""
