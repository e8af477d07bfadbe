"""The demonstration: three agents on a throwaway copy of a small sample project."""
