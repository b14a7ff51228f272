"""What Python code and notebooks call; every public name of it is one of ``bench``."""
