"""Protocol: what clients and the daemon say to each other."""
