"""What each site gained from the federation, as ``luna16 compare`` found it, and in one sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fl_monitor.language import gettext as _
from fl_monitor.wording import number_text, signed_text


@dataclass(frozen=True)
class Gain:
    """The federated model beside the site's own, by their CPM on the test scans of this site.

    A CPM is None without a nodule, the 95 % interval of the difference with too few scans.
    """

    site: str
    num_scans: int
    num_nodules: int
    alone: float | None
    federated: float | None
    difference: float | None
    interval: tuple[float, float] | None


def read_gains(document: Mapping[str, Any]) -> list[Gain]:
    """Return the gains that the JSON of a comparison holds."""
    return [
        Gain(
            site=gain["site"],
            num_scans=gain["num_scans"],
            num_nodules=gain["num_nodules"],
            alone=gain["alone"],
            federated=gain["federated"],
            difference=gain["difference"],
            interval=(gain["interval"][0], gain["interval"][1]) if gain["interval"] else None,
        )
        for gain in document["gains"]
    ]


def verdict_of(gain: Gain) -> tuple[str, str]:
    """Return what the numbers allow to say, and its tone."""
    if gain.interval is None:
        return _("cannot be told"), "calm"
    low, high = gain.interval
    if low > 0:
        return _("gained"), "good"
    return (_("lost"), "bad") if high < 0 else (_("no difference shown"), "calm")


def describe_gain(gain: Gain) -> str:
    """Say whether a site gained, in one sentence with its numbers."""
    numbers = {
        "site": gain.site,
        "num_scans": gain.num_scans,
        "num_nodules": gain.num_nodules,
        "federated": number_text(gain.federated),
        "alone": number_text(gain.alone),
        "difference": "" if gain.difference is None else signed_text(gain.difference),
        "low": signed_text(gain.interval[0]) if gain.interval else "",
        "high": signed_text(gain.interval[1]) if gain.interval else "",
    }
    return _sentence_for(gain).format(**numbers)


def _sentence_for(gain: Gain) -> str:
    if gain.difference is None:
        return _(
            "For {site} nothing can be told: {num_scans} test scans of its own with {num_nodules} nodules "
            "give no CPM."
        )
    if gain.interval is None:
        return _(
            "For {site} nothing can be told yet: on {num_scans} test scans of its own with {num_nodules} "
            "nodules the federated model has a CPM of {federated}, its own model {alone}, which may be "
            "chance with so few scans."
        )
    low, high = gain.interval
    if low > 0:
        return _(
            "{site} gained: on {num_scans} test scans of its own with {num_nodules} nodules the federated "
            "model has a CPM of {federated}, its own model {alone} ({difference}, 95 % CI {low} to "
            "{high})."
        )
    if high < 0:
        return _(
            "{site} lost: on {num_scans} test scans of its own with {num_nodules} nodules the federated "
            "model has a CPM of {federated}, its own model {alone} ({difference}, 95 % CI {low} to "
            "{high})."
        )
    return _(
        "For {site} no difference could be shown: on {num_scans} test scans of its own with {num_nodules} "
        "nodules the federated model has a CPM of {federated}, its own model {alone} ({difference}, 95 % CI "
        "{low} to {high})."
    )
