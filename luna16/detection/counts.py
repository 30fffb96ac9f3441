"""What a site tells of the marks of whole scans."""

from dataclasses import dataclass

from luna16.counts import Additive, EvalCounts


@dataclass(frozen=True, eq=False)
class DetectionCounts(Additive):
    """What a site tells of the marks of its scans; all fields add up over sites.

    ``marks`` counts every mark of the chain, not given candidates. ``num_nodules_proposed`` are the nodules
    that some candidate hits, a place that the network judged, whatever its score and whether merged or not.
    """

    marks: EvalCounts
    num_candidates: int
    num_nodules_proposed: int

    @property
    def candidate_sensitivity(self) -> float | None:
        """The share of nodules that some candidate hits; None without a nodule."""
        num_nodules = self.marks.num_nodules
        return self.num_nodules_proposed / num_nodules if num_nodules else None

    @property
    def mark_sensitivity(self) -> float | None:
        """The share of nodules that some mark hits, of those left after merging; None without a nodule."""
        num_nodules = self.marks.num_nodules
        return int(self.marks.nodules_hit.sum()) / num_nodules if num_nodules else None

    @property
    def candidates_per_scan(self) -> float | None:
        """The mean number of candidates; None without a scan."""
        return self.num_candidates / self.marks.num_scans if self.marks.num_scans else None
