"""Configuration: paths, settings, layers, trust."""
