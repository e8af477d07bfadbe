"""A small model that runs on this machine: fetched once, served by a child process."""
