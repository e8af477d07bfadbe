"""Tools: what a native agent can do to a workspace."""
