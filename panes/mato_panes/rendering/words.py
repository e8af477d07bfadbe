"""Numbers as people read them: durations, tokens, money, sizes."""

from __future__ import annotations


def duration(us: int) -> str:
    """A duration in the units that matter: ``30 ms``, ``0.4 s``, ``12 s``, ``3 m 05 s``."""
    seconds = max(0, us) / 1_000_000
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, whole = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} m {whole:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} m"


def clock(us: int) -> str:
    """A running duration, whole seconds, of a width that changes rarely: ``0:07``, ``1:02:03``."""
    seconds = max(0, us) // 1_000_000
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def tokens(count: int) -> str:
    """A number of tokens in at most four characters and a unit: ``940``, ``12.3k``, ``1.2M``."""
    if count < 1_000:
        return str(count)
    if count < 99_950:
        return f"{count / 1_000:.1f}k"
    if count < 999_500:
        return f"{count / 1_000:.0f}k"
    return f"{count / 1_000_000:.1f}M"


def cost(usd: float) -> str:
    """A price; below a cent with more digits: ``$0.0042``, ``$1.27``."""
    return f"${usd:.4f}" if 0 < usd < 0.01 else f"${usd:.2f}"


def size(count: int) -> str:
    """A number of bytes: ``812 B``, ``4.2 kB``, ``1.0 MB``."""
    if count < 1_000:
        return f"{count} B"
    if count < 999_950:
        return f"{count / 1_000:.1f} kB"
    return f"{count / 1_000_000:.1f} MB"


def counted(count: int, noun: str) -> str:
    """``1 line``, ``12 lines``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
