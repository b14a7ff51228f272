"""What every registered method and encoder must do, checked on toy data in seconds."""
