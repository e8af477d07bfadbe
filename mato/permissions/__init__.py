"""Permissions: what each mode lets tools do."""
