"""Mato's engine: agents, tools, permissions, daemon, client, command line."""

__version__ = "0.1.0"
