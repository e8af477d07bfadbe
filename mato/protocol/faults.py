"""JSON-RPC error codes, and the errors of Mato's tree that they stand for."""

from __future__ import annotations

from mato_sessions import errors

INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL = -32603

CODES: dict[int, type[errors.MatoError]] = {
    1: errors.MatoError,
    2: errors.UsageError,
    3: errors.UnknownName,
    4: errors.DaemonError,
    5: errors.TimedOut,
    6: errors.JournalError,
    7: errors.TurnFailed,
    8: errors.VersionMismatch,
}
"""An application error travels as its exit code, except where a subclass matters to a client."""


def code_of(error: errors.MatoError) -> int:
    """The JSON-RPC error code for `error`."""
    return 8 if isinstance(error, errors.VersionMismatch) else error.exit_code


def error_of(code: int, message: str) -> errors.MatoError:
    """The error that `code` stands for; unknown codes become a `DaemonError`."""
    return CODES.get(code, errors.DaemonError)(message)


def told(code: int, message: str, read_only: str) -> errors.MatoError:
    """As `error_of`; what an older daemon does not know yet is said with `read_only`."""
    if read_only and code == METHOD_NOT_FOUND:
        return errors.ReadOnly(read_only)
    return error_of(code, message)
