"""Which protocol this Mato speaks."""

from __future__ import annotations

PROTOCOL = 1
"""Grows with every change that an older client or daemon would misread."""
