"""The test at the end of a run: last and best model on scans that were used for nothing before."""

from fl_server.extra_evaluation import ExtraEvaluation
from fl_server.recorder import Recorder
from fl_server.run_folder import RunFolder


def hold_final_test(evaluation: ExtraEvaluation, recorder: Recorder, folder: RunFolder) -> None:
    """Let every site that is there score both models, or the one that is both, on its test scans."""
    for round_no, weights in folder.read_models().items():
        name = f"the model of round {round_no} on its test scans"
        if replies := evaluation.score(weights, round_no, name):
            recorder.keep_test_scores(round_no, replies)
    if history := recorder.make_history():
        folder.keep_history(history)
