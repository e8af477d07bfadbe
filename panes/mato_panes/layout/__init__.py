"""Layout: the pure split tree and its view."""
