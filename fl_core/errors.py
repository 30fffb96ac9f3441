"""Every error that we expect, as one tree; its exit code is that of the command it ends.

FedLunaError                 1  the run failed
├── UsageError               2  the caller can mend it
│   ├── ConfigError             a configuration file or value
│   ├── SiteDataError           a site's data folder
│   ├── AccountError            a user, role or password
│   ├── AddressInUseError       a port that another process holds
│   ├── DiskError               a disk that is full or read-only
│   ├── KeyFileError            a key or certificate
│   ├── KitError                the file by which a site finds its coordinator
│   └── SiteRefusedError        the coordinator refused this site
├── MessageError             1  a message between coordinator and site lacks a part
│   ├── TaskDeclinedError       a site did not agree to the task that it was sent
│   ├── TaskOutdatedError       the coordinator has asked for something newer meanwhile
│   └── NoAnswerError           a site has not answered in its time
├── StoreError               1  the metrics store cannot be read or written
│   ├── StoreUnavailableError   not at present: the same may work later
│   ├── StoreTooNewError     2  a newer FedLuna wrote it; a UsageError too
│   └── RowRefusedError         this row cannot be kept as it is
│       └── TableRefusedError   no row of its table can
└── RunFailedError           1  a run came to a bad end
"""


class FedLunaError(Exception):
    """A known fault; its text is one line for the person at the terminal."""

    exit_code = 1


class UsageError(FedLunaError):
    """Wrong use or configuration: the caller can mend it."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file or value is wrong."""


class SiteDataError(UsageError):
    """A site's data folder cannot be used."""


class AccountError(UsageError):
    """A user, role or password cannot be accepted."""


class AddressInUseError(UsageError):
    """Another process listens on the address."""


class DiskError(UsageError):
    """A disk is full or read-only; what was on it before is intact."""


class KeyFileError(UsageError):
    """A key or certificate is missing, not private, expired, or of the wrong kind."""


class KitError(UsageError):
    """A site's kit is missing, changed, expired, or for another site or coordinator."""


class SiteRefusedError(UsageError):
    """The coordinator refused this site."""


class MessageError(FedLunaError):
    """A message between coordinator and site lacks a part, or a part is not what it should be."""


class TaskDeclinedError(MessageError):
    """A task goes beyond what the site agrees to; the coordinator is told this very text."""


class TaskOutdatedError(MessageError):
    """A task was left undone, as the coordinator has asked for something newer meanwhile."""


class NoAnswerError(MessageError):
    """A site has not answered in its time."""


class StoreError(FedLunaError):
    """The metrics store cannot be read or written."""


class StoreUnavailableError(StoreError):
    """The store cannot be used at present: down, locked, full, or its keys or schema do not fit yet."""


class StoreTooNewError(UsageError, StoreError):
    """The store was written by a newer FedLuna: this one has to be updated first."""


class RowRefusedError(StoreError):
    """The store works, but cannot keep a row as it is."""


class TableRefusedError(RowRefusedError):
    """The store works, but lacks the row's table, a column of it, or the right to write there."""


class RunFailedError(FedLunaError):
    """A run came to a bad end."""
