"""Permissions: who may do what, and the calls that wait for a person."""
