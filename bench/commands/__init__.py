"""What the command line does; the only room, with the reports, that prints."""
