"""The ClientApp of this hospital: it lends the site's work to Flower, message by message."""

import logging
import time
from collections.abc import Callable
from importlib.metadata import version

from flwr.app import Context, Message, MessageType, RecordDict
from flwr.clientapp import ClientApp

from fl_client.site import Site
from fl_client.workbench import Workbench
from fl_core import messages, replies
from fl_core.logs import note_work
from fl_core.status import name_task, pack_status
from luna16.bootstrap import draw_replicates
from luna16.diameters import count_bands
from luna16.scan_scores import count_scans

logger = logging.getLogger(__name__)

OnRefusal = Callable[[str], None]


def make_client_app(site: Site, bench: Workbench, instance: str, on_refusal: OnRefusal) -> ClientApp:
    """Make the ClientApp that answers the coordinator for ``site``, at whose ``bench`` the tasks are done.

    Questions are answered at any time, also while a task is done. ``on_refusal`` is told the reason when
    the coordinator does not want this site.
    """
    app = ClientApp()

    @app.query("join")
    def join(message: Message, _context: Context) -> Message:
        reply = replies.JoinReply(site.config.site, instance, version("fedluna"))
        return Message(replies.pack_join_reply(reply), reply_to=message)

    @app.query("refuse")
    def refuse(message: Message, _context: Context) -> Message:
        on_refusal(messages.unpack_reason(message.content))
        return Message(RecordDict(), reply_to=message)

    @app.query("left_out")
    def left_out(message: Message, _context: Context) -> Message:
        reason = messages.unpack_reason(message.content)
        logger.warning("The coordinator did not take this site's update. %s", reason)
        return Message(RecordDict(), reply_to=message)

    @app.query("status")
    def status(message: Message, _context: Context) -> Message:
        return Message(pack_status(bench.status), reply_to=message)

    @app.query("prepare")
    def prepare(message: Message, _context: Context) -> Message:
        return Message(_prepare(site, message.content), reply_to=message)

    @app.query("log")
    def log(message: Message, _context: Context) -> Message:
        lines = site.tell_log(messages.unpack_run_id(message.content))
        return Message(messages.pack_log(lines), reply_to=message)

    @app.train()
    def train(message: Message, _context: Context) -> Message:
        return Message(_train(site, bench, message.content), reply_to=message)

    @app.evaluate()
    def evaluate(message: Message, _context: Context) -> Message:
        return Message(_evaluate(site, bench, message.content), reply_to=message)

    return app


def _prepare(site: Site, content: RecordDict) -> RecordDict:
    began_at_s = time.time()
    settings = messages.unpack_settings(content)
    note_work(messages.unpack_run_id(content))
    site.agree(settings)
    shard, card = site.prepare(settings.data), site.tell_card(settings.data)
    reply = replies.PrepareReply(
        num_train_scans=shard.train.num_scans,
        num_validation_scans=shard.validation.num_scans,
        num_train_patches=len(shard.train.candidates),
        card=card,
        began_at_s=began_at_s,
        shares_model=site.config.consent.share_model,
        num_set_aside=len(shard.set_aside),
        shares_log=site.config.consent.share_log,
    )
    return replies.pack_prepare_reply(reply)


def _train(site: Site, bench: Workbench, content: RecordDict) -> RecordDict:
    began_at_s, started_s = time.time(), time.perf_counter()
    settings, task = messages.unpack_settings(content), messages.unpack_task_id(content)
    note_work(task.run_id, task.round_no)
    site.agree_to_round(settings, messages.unpack_num_sites(content))

    def work() -> RecordDict:
        site.count_round()
        received = messages.unpack_weights(content)
        personal = site.find_personal(settings, task)
        weights, result = site.train(personal.put_over(received), settings, task.round_no)
        reply = replies.TrainReply(
            task=task,
            weights=personal.keep_back(weights, received),
            num_examples=result.num_examples,
            loss=result.loss,
            train_s=time.perf_counter() - started_s,
            began_at_s=began_at_s,
            batch_size=result.batch_size,
            num_set_aside=len(site.prepare(settings.data).set_aside),
        )
        return replies.pack_train_reply(reply)

    return bench.answer(MessageType.TRAIN, name_task(MessageType.TRAIN, content), work)


def _evaluate(site: Site, bench: Workbench, content: RecordDict) -> RecordDict:
    began_at_s, started_s = time.time(), time.perf_counter()
    settings, task = messages.unpack_settings(content), messages.unpack_task_id(content)
    note_work(task.run_id, task.round_no)
    site.agree(settings)

    def work() -> RecordDict:
        weights = site.find_personal(settings, task).put_over(messages.unpack_weights(content))
        scans = site.evaluate(weights, settings, task.round_no, on_test=messages.wants_test(content))
        wants_detection = messages.wants_detection(content)
        reply = replies.EvaluateReply(
            counts=count_scans(scans),
            bands=count_bands(scans),
            replicates=draw_replicates(scans) if messages.wants_intervals(content) else None,
            detection=site.detect(weights, settings, task.round_no) if wants_detection else None,
            evaluate_s=time.perf_counter() - started_s,
            began_at_s=began_at_s,
        )
        return replies.pack_evaluate_reply(reply)

    return bench.answer(MessageType.EVALUATE, name_task(MessageType.EVALUATE, content), work)
