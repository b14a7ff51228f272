"""Reference benchmark for long-tailed drug classification on molecular graphs."""

__version__ = "0.1.0"
