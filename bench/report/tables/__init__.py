"""What each table and audit says."""
