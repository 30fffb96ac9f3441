"""Shorter waits inside Flower 1.39, which offers no setting for them.

A message and its weights travel apart, and whoever meets a message before its weights waits one second,
then two, four and so on: measured, three seconds for each of the two exchanges of a round.
"""

from flwr.supercore.inflatable.inflatable_utils import pull_and_inflate_object_from_tree, pull_objects

FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 1.0


def wait_shortly_for_weights() -> None:
    """Let this process look for weights that are on their way every 0.05 s at first, every 1 s at last."""
    for function in (pull_objects, pull_and_inflate_object_from_tree):
        defaults = function.__kwdefaults__ or {}
        if not {"initial_backoff", "backoff_cap"} <= defaults.keys():
            raise RuntimeError("This Flower waits for weights in another way; flwr==1.39.0 is needed.")
        defaults.update(initial_backoff=FIRST_WAIT_S, backoff_cap=LONGEST_WAIT_S)
