"""What every registered method must do, checked on toy data in seconds."""
