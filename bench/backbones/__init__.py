"""Encoders made of modules of other libraries of graph networks: a base class for each library."""
