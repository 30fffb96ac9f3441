"""At the end of a run, however it ends: the log lines of the sites that agree, kept beside the run's own."""

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from flwr.app import Message, RecordDict

from fl_core import messages
from fl_core.errors import MessageError
from fl_server.grid import POLL_S, PromptGrid
from fl_server.roll_call import RollCall

logger = logging.getLogger(__name__)

TIMEOUT_S = 5.0
LOST_ON_THE_WAY = (httpx.HTTPError, RuntimeError)


@contextmanager
def kept_site_logs(grid: PromptGrid, roll_call: RollCall, folder: Path, run_id: str) -> Iterator[None]:
    """Ask for the logs when the run is over; Ctrl-C does not wait for them."""
    try:
        yield
    except Exception:  # whatever it was, the sites' side of it is wanted
        _keep_logs(grid, roll_call, folder, run_id)
        raise
    _keep_logs(grid, roll_call, folder, run_id)


def _keep_logs(grid: PromptGrid, roll_call: RollCall, folder: Path, run_id: str) -> None:
    """Keep what comes in time; a site that does not answer is named, and no more."""
    try:
        missing = _gather(grid, roll_call, folder, run_id)
    except LOST_ON_THE_WAY as error:  # no reason to call a run that is over a failed one
        logger.warning("The sites could not be asked for their logs (%s).", type(error).__name__)
        return
    for site, reason in sorted(missing.items()):
        logger.warning("There is no log of site '%s': %s", site, reason, extra={"site": site})


def _gather(grid: PromptGrid, roll_call: RollCall, folder: Path, run_id: str) -> dict[str, str]:
    """Ask the sites and write their files; returns why there is none of a site."""
    ready = roll_call.ready_nodes()
    asked = {site: node for site, node in ready.items() if roll_call.member(site).shares_log}
    missing = dict.fromkeys(asked, "It did not answer.")
    for site, reply in _ask(grid, asked, messages.pack_log_request(run_id)):
        try:
            _keep(folder / "sites" / f"{site}.jsonl", reply)
            del missing[site]
        except (MessageError, OSError) as error:
            missing[site] = str(error)
    return missing


def _ask(grid: PromptGrid, nodes: Mapping[str, int], request: RecordDict) -> Iterator[tuple[str, Message]]:
    """Yield each site and its answer, if it comes in time; the run is over, so nothing else goes on."""
    questions = [Message(request, dst_node_id=node, message_type=messages.LOG) for node in nodes.values()]
    ids = zip(grid.push_messages(questions), nodes, strict=True)
    waiting = {message_id: site for message_id, site in ids if message_id}
    give_up_at_s = time.monotonic() + TIMEOUT_S
    while waiting and time.monotonic() < give_up_at_s:
        for reply in grid.pull_messages(list(waiting)):
            yield waiting.pop(reply.metadata.reply_to_message_id), reply
        if waiting:
            time.sleep(POLL_S)


def _keep(path: Path, reply: Message) -> None:
    """Write a site's lines anew, so that nothing but JSON is in the file."""
    lines = messages.unpack_log(messages.content_of(reply))
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
