"""Mato's own kind of agent: a step machine without I/O, and the runtime that executes it."""
