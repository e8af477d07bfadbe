"""Agents that speak the Agent Client Protocol: children on stdio, through the official SDK."""
