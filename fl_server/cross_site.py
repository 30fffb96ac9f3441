"""The cross-site table: the last update of each site, and the average of all, scored on each site's scans.

A site whose own model is as good as that of all, on its own scans and on the others', gains nothing; one
whose model fails elsewhere has data unlike the others'. The table is ``cross-site.json`` in the run's folder.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from fl_core.messages import Weights
from fl_core.replies import EvaluateReply
from fl_server.cross_scores import FILE_NAME, CrossScore
from fl_server.extra_evaluation import ExtraEvaluation
from fl_server.recorder import Recorder
from fl_server.roll_call import RollCall
from fl_server.run_folder import RunFolder
from fl_server.update import Update
from fl_store.metrics import FEDERATION
from luna16.counts import score


def write_cross_site_table(
    updates: Mapping[str, Update],
    evaluation: ExtraEvaluation,
    roll_call: RollCall,
    recorder: Recorder,
    folder: RunFolder,
) -> None:
    """Let all sites score the last update of each that agrees to it, and the last model; write the table."""
    models = {site: update.weights for site, update in updates.items() if roll_call.member(site).shares_model}
    if unwilling := sorted(updates.keys() - models.keys()):
        text = f"Not in the cross-site table, as it shares no model: {', '.join(unwilling)}."
        recorder.keep_event("not_shared", text)
    round_no, last = next(iter(folder.read_models().items()))
    found = list(_score_each({FEDERATION: last} | models, round_no, evaluation))
    folder.keep_json(FILE_NAME, {"round_no": round_no, "scores": [asdict(each) for each in found]})
    text = f"The cross-site table is written, with the models of {len(models)} sites ({FILE_NAME})."
    recorder.keep_event("cross_site_table", text)


def _score_each(
    models: Mapping[str, Weights], round_no: int, evaluation: ExtraEvaluation
) -> Iterator[CrossScore]:
    for trained_by, weights in models.items():
        name = "the last model" if trained_by == FEDERATION else f"the model of site '{trained_by}'"
        for site, reply in evaluation.score(weights, round_no, name).items():
            yield _make_score(trained_by, site, reply)


def _make_score(trained_by: str, site: str, reply: EvaluateReply) -> CrossScore:
    result = score(reply.counts)
    return CrossScore(trained_by, site, reply.counts.num_scans, result.auc, result.cpm)
