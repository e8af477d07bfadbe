"""The daemon: one process per user that keeps agents and journal."""
