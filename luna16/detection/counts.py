"""What a site tells of the marks of whole scans."""

from dataclasses import dataclass

from luna16.counts import Additive, EvalCounts


@dataclass(frozen=True, eq=False)
class DetectionCounts(Additive):
    """What a site tells of the marks of its scans; all fields add up over sites.

    ``marks`` counts every mark of the chain, not given candidates. ``num_nodules_proposed`` are the nodules
    that some candidate hits, whatever its score.
    """

    marks: EvalCounts
    num_candidates: int
    num_nodules_proposed: int
