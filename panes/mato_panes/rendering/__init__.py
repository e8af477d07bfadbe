"""Rendering: pure functions from entries of a transcript to styled lines of cells."""
