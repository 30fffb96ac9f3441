"""What the kinds of events are called, and in which tone they are told."""

from fl_monitor.language import gettext as _
from fl_store.event_kinds import BAD, GOOD, WARNINGS

DOWNLOAD = "download"
ADMIN = "admin"
ACCOUNT = "account"
UPLOAD = "upload"


def is_of_sites(kind: str) -> bool:
    """Say whether an event tells of a site that comes, is let in or refused, or fails."""
    return kind.startswith("site_")


def tone_of(kind: str) -> str:
    """Return the tone of a kind of event."""
    tones = {"good": GOOD, "warn": WARNINGS, "bad": BAD}
    return next((tone for tone, kinds_of_it in tones.items() if kind in kinds_of_it), "calm")


def kind_text(kind: str) -> str:
    """Return what a kind of event is called; one that is not known keeps its own name."""
    return kinds().get(kind, kind)


def kinds() -> dict[str, str]:
    """Return the kinds of events that are known, with what they are called."""
    return {
        "run": _("Run"),
        "round_ended": _("Round over"),
        "site_joined": _("Site joined"),
        "site_ready": _("Site ready"),
        "site_refused": _("Site refused"),
        "site_revoked": _("Site shut out"),
        "site_cut_off": _("Site cut off"),
        "site_enrolled": _("Site enrolled"),
        "site_renamed": _("Site renamed"),
        "site_allowed": _("Site let in again"),
        "site_differs": _("Data differ"),
        "site_failed": _("Site failed"),
        "site_sits_out": _("Site sits out"),
        "site_lost": _("Site lost"),
        "site_back": _("Site is back"),
        "late_update": _("Late update dropped"),
        "scored_by_few": _("Scored by too few"),
        "waiting": _("Waiting"),
        "round_repeated": _("Round held again"),
        "restarted": _("Started again"),
        "batch_halved": _("Smaller batches"),
        "scans_set_aside": _("Scans set aside"),
        "not_calibrated": _("Not calibrated"),
        "not_shared": _("Models not shared"),
        "model_tested": _("Model tested"),
        "cross_site_table": _("Cross-site table"),
        "site_late": _("No answer"),
        "site_declined": _("Site declined"),
        DOWNLOAD: _("Download"),
        UPLOAD: _("Upload"),
        ADMIN: _("Administration"),
        ACCOUNT: _("Account"),
    }
