"""Models: every source of answers, behind one protocol."""
