"""The words that columns hold: where a thing is, what is asked of it, and who somebody is."""

from enum import StrEnum


class RunState(StrEnum):
    """Where a run is."""

    WAITING = "waiting for sites"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Say whether the run will not go on."""
        return self in {RunState.FINISHED, RunState.STOPPED, RunState.FAILED}


class RunRequest(StrEnum):
    """What somebody asks of a run: to rest before its next round, to go on, or to end at once."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


class UploadState(StrEnum):
    """Where a scan is that a user has given to be searched for nodules."""

    UPLOADING = "uploading"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DELETED = "deleted"


class SiteRoundState(StrEnum):
    """Where a site is in a round."""

    TRAINING = "training"
    TRAINED = "trained"
    EVALUATING = "evaluating"
    DONE = "done"
    FAILED = "failed"
    LATE = "no answer"
    STOPPED = "stopped"

    @property
    def is_over(self) -> bool:
        """Say whether nothing more is to come from the site in this round."""
        return self in {
            SiteRoundState.DONE,
            SiteRoundState.FAILED,
            SiteRoundState.LATE,
            SiteRoundState.STOPPED,
        }


class Role(StrEnum):
    """What a user may see."""

    SERVER = "server"
    CLIENT = "client"
    ANALYST = "analyst"


class PresenceKind(StrEnum):
    """Who is online."""

    SERVER = "server"
    SITE = "site"
    USER = "user"
