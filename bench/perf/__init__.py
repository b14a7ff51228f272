"""How fast the graph engine is beside the stacks a user would pick instead."""
