import contextvars
import io
import json
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from rich.console import Console
from safetensors.numpy import load_file

from fl_client.client_app import make_client_app
from fl_client.display import SiteDisplay
from fl_client.home import SiteHome
from fl_client.site import Site
from fl_client.workbench import Workbench
from fl_core import messages, replies
from fl_core.config import ConsentConfig, SiteConfig, TaskSettings
from fl_core.errors import ConfigError, MessageError, TaskDeclinedError
from fl_core.logs import kept_log
from fl_core.messages import Weights
from fl_core.replies import JoinReply
from fl_core.status import STATUS, Status, unpack_status
from luna16.config import DataConfig, ModelConfig, TrainingConfig
from luna16.data_card import make_data_card
from luna16.model import build_model
from luna16.scan import find_scans

SETTINGS = TaskSettings(
    data=DataConfig(patch_size_vox=16), training=TrainingConfig(epochs=1, negatives_per_positive=1)
)


@pytest.fixture
def refusals() -> list[str]:
    return []


@pytest.fixture
def consent() -> ConsentConfig:
    return ConsentConfig()


@pytest.fixture
def app(
    scans: Path, tmp_path: Path, refusals: list[str], flower_identity: None, consent: ConsentConfig
) -> Iterator[ClientApp]:
    home = SiteHome(tmp_path / "north", "north")
    config = SiteConfig(site="north", data_root=scans, device="cpu", consent=consent)
    bench = Workbench()
    site = Site(config, home, SiteDisplay(Console(file=io.StringIO())), bench)
    yield make_client_app(site, bench, "my word", refusals.append)
    home.close()


def ask(app: ClientApp, message_type: str, content: RecordDict) -> RecordDict:
    context = Context(run_id=1, node_id=5, node_config={}, state=RecordDict(), run_config={})
    message = Message(content, dst_node_id=5, message_type=message_type)
    return app(message=message, context=context).content


def task(round_no: int = 1, settings: TaskSettings = SETTINGS) -> RecordDict:
    """Return what the coordinator sends for training and evaluation."""
    config = messages.pack_settings(settings)
    config["server-round"] = round_no
    weights = {n: t.numpy() for n, t in build_model(ModelConfig()).state_dict().items()}
    return RecordDict({messages.CONFIG: config, messages.ARRAYS: messages.pack_weights(weights)})


def test_site_says_who_it_is(app: ClientApp) -> None:
    reply = replies.unpack_join_reply(ask(app, messages.JOIN, RecordDict()))
    assert reply == JoinReply("north", "my word", version("fedluna"))


def test_refusal_is_told_with_its_reason(app: ClientApp, refusals: list[str]) -> None:
    ask(app, messages.REFUSE, messages.pack_reason("The name is taken."))
    assert refusals == ["The name is taken."]


def test_site_is_told_that_its_update_was_left_out(app: ClientApp, caplog: pytest.LogCaptureFixture) -> None:
    ask(app, messages.LEFT_OUT, messages.pack_reason("It holds NaN."))
    assert caplog.messages == ["The coordinator did not take this site's update. It holds NaN."]


def test_site_prepares_and_says_how_many_scans_it_has(app: ClientApp) -> None:
    content = RecordDict({messages.CONFIG: messages.pack_settings(SETTINGS)})
    reply = replies.unpack_prepare_reply(ask(app, messages.PREPARE, content))
    assert (reply.num_train_scans, reply.num_validation_scans, reply.num_set_aside) == (2, 1, 0)
    assert reply.card == make_data_card([])  # three scans are too few to tell anything of them


def test_answer_to_training_is_a_sound_update(app: ClientApp) -> None:
    sent = messages.unpack_weights(task())
    reply = replies.unpack_train_reply(ask(app, "train", task()))
    assert {n: t.shape for n, t in reply.weights.items()} == {n: t.shape for n, t in sent.items()}
    assert any(not np.array_equal(reply.weights[name], tensor) for name, tensor in sent.items())
    assert reply.num_examples > 0
    assert (reply.batch_size, reply.num_set_aside) == (SETTINGS.training.batch_size, 0)
    assert reply.train_s > 0


def test_personal_layers_stay_and_are_trained_and_evaluated_here(
    app: ClientApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated: list[Weights] = []
    evaluate = Site.evaluate
    monkeypatch.setattr(
        Site, "evaluate", lambda *told, **how: evaluated.append(told[1]) or evaluate(*told, **how)
    )
    asked = task(settings=SETTINGS.model_copy(update={"personal_layers": ("*bn1*",)}))
    sent = messages.unpack_weights(asked)
    told = replies.unpack_train_reply(ask(app, "train", asked)).weights
    ask(app, "evaluate", asked)
    own = load_file(tmp_path / "north" / "personal.safetensors")
    assert own.keys() == {name for name in sent if "bn1" in name}
    for name, tensor in sent.items():
        assert np.array_equal(told[name], tensor) == (name in own)
        assert np.array_equal(evaluated[0][name], own.get(name, tensor))
        assert not (name in own and np.array_equal(own[name], tensor))


def test_answer_to_evaluation_is_sound_counts(app: ClientApp) -> None:
    reply = replies.unpack_evaluate_reply(ask(app, "evaluate", task()))
    assert reply.counts.num_scans == 1
    assert reply.bands.num_nodules.sum() == reply.counts.num_nodules
    assert reply.evaluate_s > 0
    assert reply.replicates is None


def test_answer_to_the_last_evaluation_has_replicates(app: ClientApp) -> None:
    last = task()
    messages.ask_for_more(last.config_records[messages.CONFIG], intervals=True, detection=False)
    reply = replies.unpack_evaluate_reply(ask(app, "evaluate", last))
    assert reply.replicates
    assert 0.7 < reply.replicates.num_scans.mean() < 1.3  # 500 Poisson numbers of mean 1: within 6 sd


@pytest.mark.parametrize("message_type", [messages.PREPARE, "train", "evaluate"])
def test_answers_tell_when_the_work_began(app: ClientApp, message_type: str) -> None:
    before_s = time.time()
    numbers = ask(app, message_type, task()).metric_records[messages.METRICS]
    assert before_s <= numbers["began_at_s"] <= time.time()
    work_s = numbers.get("train_s", numbers.get("evaluate_s", 0))
    assert numbers["began_at_s"] + work_s <= time.time() + 0.01


def test_no_answer_holds_a_scan_uid_or_path(app: ClientApp, scans: Path) -> None:
    answers = [ask(app, message_type, task()) for message_type in ("train", "evaluate", messages.PREPARE)]
    text = repr([(record.config_records, record.metric_records) for record in answers])
    weights = answers[0].array_records[messages.ARRAYS][messages.WEIGHTS].data
    for secret in (str(scans), *(file.series_uid for file in find_scans(scans, None))):
        assert secret not in text
        assert secret.encode() not in weights


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (RecordDict(), MessageError),
        (RecordDict({messages.CONFIG: ConfigRecord({"settings": '{"code": "import os"}'})}), ConfigError),
    ],
)
def test_task_that_is_not_ours_is_not_begun(
    content: RecordDict, kind: type[Exception], app: ClientApp
) -> None:
    with pytest.raises(kind):
        ask(app, messages.PREPARE, content)


@pytest.mark.parametrize("consent", [ConsentConfig(models=("resnet18",))])
@pytest.mark.parametrize("message_type", [messages.PREPARE, "train", "evaluate"])
def test_task_beyond_the_consent_is_declined_before_a_scan_is_read(
    app: ClientApp, message_type: str, tmp_path: Path
) -> None:
    with pytest.raises(TaskDeclinedError, match="for the model resnet18, not for resnet_slim"):
        ask(app, message_type, task())
    assert not (tmp_path / "north" / "patches").exists()


@pytest.mark.parametrize("consent", [ConsentConfig(min_sites=3, max_rounds_per_day=1)])
def test_round_is_trained_with_enough_sites_and_once_a_day(app: ClientApp) -> None:
    told = task()
    with pytest.raises(TaskDeclinedError, match="does not tell"):
        ask(app, "train", told)
    messages.tell_num_sites(told.config_records[messages.CONFIG], 3)
    first = ask(app, "train", told)
    assert ask(app, "train", told) is first  # not trained again, and not counted
    told[messages.CONFIG][messages.ROUND] = 2  # type: ignore[index]
    with pytest.raises(TaskDeclinedError, match="1 round in 24 hours"):
        ask(app, "train", told)


def test_site_that_does_nothing_says_so(app: ClientApp) -> None:
    reply = Message(ask(app, STATUS, RecordDict()), dst_node_id=5, message_type=STATUS)
    assert unpack_status(reply) == Status()


@pytest.mark.parametrize(
    ("consent", "shares"), [(ConsentConfig(), False), (ConsentConfig(share_model=True), True)]
)
def test_site_says_whether_others_may_score_its_model(app: ClientApp, *, shares: bool) -> None:
    content = RecordDict({messages.CONFIG: messages.pack_settings(SETTINGS)})
    reply = replies.unpack_prepare_reply(ask(app, messages.PREPARE, content))
    assert reply.shares_model is shares


@pytest.mark.parametrize("consent", [ConsentConfig(share_log=True)])
def test_log_of_a_run_is_told_scrubbed_by_a_site_that_agrees(
    app: ClientApp, scans: Path, tmp_path: Path
) -> None:
    lines = [{"run": "r1", "text": f"There is {scans}/subset0"}, {"run": "r2", "text": "another"}]
    (tmp_path / "north" / "fl-client.jsonl").write_text("\n".join(map(json.dumps, lines)))
    reply = ask(app, messages.LOG, messages.pack_log_request("r1"))
    assert messages.unpack_log(reply) == [{"run": "r1", "text": "There is <path>"}]
    content = RecordDict({messages.CONFIG: messages.pack_settings(SETTINGS)})
    assert replies.unpack_prepare_reply(ask(app, messages.PREPARE, content)).shares_log


def test_log_stays_here_without_consent(app: ClientApp) -> None:
    with pytest.raises(TaskDeclinedError, match="Its consent is not for telling its log"):
        ask(app, messages.LOG, messages.pack_log_request("r1"))


@pytest.mark.parametrize("message_type", ["train", "evaluate"])
def test_log_lines_of_a_task_name_its_run_and_round(
    app: ClientApp, message_type: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = task(round_no=3)
    content.config_records[messages.CONFIG][messages.RUN_ID] = "r1"
    with caplog.at_level("INFO", "fl_client"), kept_log(tmp_path / "log.jsonl"):
        contextvars.copy_context().run(ask, app, message_type, content)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    ours = [line for line in lines if line["logger"].startswith("fl_client")]  # others may be at INFO, too
    assert {(line["run"], line["round"]) for line in ours} == {("r1", 3)}


def test_test_scans_are_scored_in_place_of_those_for_validation(app: ClientApp) -> None:
    settings = SETTINGS.model_copy(update={"data": SETTINGS.data.model_copy(update={"test_fraction": 0.3})})
    content = task()
    content.config_records[messages.CONFIG].update(messages.pack_settings(settings))
    messages.ask_for_test(content.config_records[messages.CONFIG])
    assert replies.unpack_evaluate_reply(ask(app, "evaluate", content)).counts.num_scans == 1


def test_site_without_test_scans_says_so(app: ClientApp) -> None:
    content = task()
    messages.ask_for_test(content.config_records[messages.CONFIG])
    with pytest.raises(MessageError, match="asks for test scans, and its settings have none"):
        ask(app, "evaluate", content)


@pytest.mark.parametrize("consent", [ConsentConfig(share_data_card=False)])
def test_data_card_is_shared_with_consent_only(app: ClientApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("luna16.data_card.FEWEST_SCANS_TOLD", 1)
    content = RecordDict({messages.CONFIG: messages.pack_settings(SETTINGS)})
    reply = replies.unpack_prepare_reply(ask(app, messages.PREPARE, content))
    assert (reply.card.num_scans, reply.card.histograms) == (None, {})
