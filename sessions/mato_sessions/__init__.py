"""The record: events, journal and folds. Imports nothing of Mato's other wings."""
