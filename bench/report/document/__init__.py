"""What a report is made of, whatever its format."""
