"""The one tree of errors that Mato raises on purpose.

::

    MatoError                     every error a person may see as one sentence   exit 1
    ├── UsageError                the request makes no sense as given            exit 2
    │   └── ConfigError           a file or variable of the configuration
    ├── UnknownName               no such session, agent, call, profile …        exit 3
    ├── DaemonError               the daemon cannot be reached or started        exit 4
    │   ├── NoDaemon              none runs
    │   └── VersionMismatch       client and daemon speak different versions
    │       └── ReadOnly          the daemon is older: it can be watched, not told
    ├── TimedOut                  a wait that the caller limited                 exit 5
    ├── JournalError              the record cannot be read or written           exit 6
    │   ├── JournalLocked         another daemon owns it
    │   ├── JournalFenced         a successor has taken over (epoch)
    │   ├── JournalNewer          written by a newer Mato
    │   ├── JournalBroken         a chain, body or blob is not what it was
    │   └── JournalStopped        the writer gave up after an I/O error
    ├── PathRefused               a path leaves the workspace or is no plain file
    ├── ModelFault                a model did not answer (see mato.models.base)
    └── TurnFailed                a headless run whose turn did not end well     exit 7

A message says what happened, with the value, and what to do next. It is written for people: no
traceback, one sentence, and it may hold untrusted text, so it is cleaned where it is shown.
"""

from __future__ import annotations


class MatoError(Exception):
    """Base of all errors that end as one sentence for a person."""

    exit_code = 1


class UsageError(MatoError):
    """The request makes no sense as given."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file or variable cannot be used; the message names it."""


class UnknownName(MatoError):
    """Nothing has that name; the message offers the nearest ones."""

    exit_code = 3


class DaemonError(MatoError):
    """The daemon cannot be reached, started or spoken to."""

    exit_code = 4


class NoDaemon(DaemonError):
    """No daemon runs; any other `DaemonError` is about one that does, or did."""


class VersionMismatch(DaemonError):
    """Client and daemon speak different protocol versions."""


class ReadOnly(VersionMismatch):
    """The daemon speaks an older protocol: what would change something is not asked of it."""


class TimedOut(MatoError):
    """A wait passed the limit that its caller set."""

    exit_code = 5


class JournalError(MatoError):
    """The record cannot be read or written."""

    exit_code = 6


class JournalLocked(JournalError):
    """Another daemon owns this journal."""


class JournalFenced(JournalError):
    """A successor has taken over: this writer's epoch is no longer the newest."""


class JournalNewer(JournalError):
    """The database was written by a newer Mato and is left untouched."""


class JournalBroken(JournalError):
    """A chain, body or blob is not what its hash says."""


class JournalStopped(JournalError):
    """The writer stopped after an I/O error; nothing is retried in this process."""


class PathRefused(MatoError):
    """A path leaves the workspace, or is neither a plain file nor a folder."""


class TurnFailed(MatoError):
    """A headless run whose turn did not end well."""

    exit_code = 7
