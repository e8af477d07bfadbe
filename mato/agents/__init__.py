"""Agents: profiles, kinds, and the factory that starts them."""
