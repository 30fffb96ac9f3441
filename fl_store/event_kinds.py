"""How much a kind of event weighs: the same on the coordinator's terminal, in its log and in the monitor."""

import logging

GOOD = frozenset({"site_joined", "site_ready", "site_allowed", "site_back"})

WARNINGS = frozenset(
    {
        "batch_halved",
        "late_update",
        "not_calibrated",
        "not_shared",
        "restarted",
        "round_repeated",
        "scans_set_aside",
        "scored_by_few",
        "site_declined",
        "site_differs",
        "site_late",
        "site_lost",
    }
)
"""Things go on, but somebody should look."""

BAD = frozenset(
    {"site_cut_off", "site_failed", "site_refused", "site_revoked", "site_sits_out", "upload"},
)
"""Something did not go on: a site, or a scan that was not taken."""


def level_of(kind: str) -> int:
    """Return the level of the line in the log that tells of such an event."""
    return logging.WARNING if kind in WARNINGS | BAD else logging.INFO
