"""One hospital at work: its shard, model and device, kept warm from round to round."""

from datetime import UTC, datetime

import torch

from fl_client.consent import check_num_sites, check_task, count_round
from fl_client.display import OnStep, SiteDisplay
from fl_client.home import SiteHome
from fl_client.personal import PersonalLayers
from fl_client.shard_keeper import ShardKeeper
from fl_client.shared_log import read_shared_log
from fl_client.workbench import Workbench
from fl_core.config import SiteConfig, TaskSettings
from fl_core.errors import MessageError, SiteDataError, TaskDeclinedError
from fl_core.messages import TaskId, Weights
from luna16.checkpoint import Checkpoint
from luna16.config import DataConfig, ModelConfig, TrainingConfig
from luna16.counts import score
from luna16.data_card import DataCard, make_data_card
from luna16.dataset import PatchSet, Shard
from luna16.detection.counts import DetectionCounts
from luna16.detection.detector import Detector
from luna16.detection.mark_scores import count_detections
from luna16.detection.shard import detect_in_shard
from luna16.evaluation import group_by_scan, predict_logits
from luna16.model import build_model, select_device
from luna16.scan_scores import ScanScores, score_exactly
from luna16.training import TrainResult, train_locally


class Site:
    """Trains and evaluates the federation's model on the scans of this hospital.

    Raises SiteDataError, with the site's name, when its data cannot be used.
    """

    def __init__(self, config: SiteConfig, home: SiteHome, display: SiteDisplay, bench: Workbench) -> None:
        self.config = config
        self._home = home
        self._display = display
        self._bench = bench
        self._device = _select_device(config)
        self._shards = ShardKeeper(config, home, display)
        self._built: tuple[ModelConfig, torch.nn.Module] | None = None
        self._fitting: dict[TaskSettings, TrainingConfig] = {}

    def agree(self, settings: TaskSettings) -> None:
        """Raise TaskDeclinedError if a task goes beyond the site's consent."""
        check_task(self.config.consent, settings)

    def agree_to_round(self, settings: TaskSettings, num_sites: int | None) -> None:
        """Raise TaskDeclinedError if a round goes beyond the site's consent."""
        self.agree(settings)
        check_num_sites(self.config.consent, num_sites)

    def count_round(self) -> None:
        """Count a round that begins; TaskDeclinedError if it is one too many for today."""
        begun_at = count_round(self.config.consent, self._home.rounds_begun_at(), datetime.now(UTC))
        self._home.keep_rounds_begun_at(begun_at)

    def prepare(self, config: DataConfig) -> Shard:
        """Return the shard, its patches cut as ``config`` says; the work is done once."""
        return self._shards.prepare(config).shard

    def tell_card(self, config: DataConfig) -> DataCard:
        """Return the shard's data card and say here that the coordinator is told it.

        Without the site's consent it is one that tells nothing, as that of too few scans.
        """
        if not self.config.consent.share_data_card:
            self._display.say("keeps its data card to itself")
            return make_data_card([])
        card = self._shards.prepare(config).card
        self._display.say(f"tells the coordinator its data card: {_show_card(card)}; `luna16 card` shows it")
        return card

    def tell_log(self, run_id: str) -> str:
        """Return the log lines of a run and say so here; TaskDeclinedError without the site's consent."""
        if not self.config.consent.share_log:
            raise TaskDeclinedError("Its consent is not for telling its log (share_log).")
        lines = read_shared_log(self._home.log, run_id, self.config.data_root)
        num_lines = len(lines.splitlines())
        self._display.say(f"tells the coordinator its log of run {run_id[:40]}: {num_lines} lines")
        return lines

    def find_personal(self, settings: TaskSettings, task: TaskId) -> PersonalLayers:
        """Return the layers of a run that stay here; none, if the coordinator names none."""
        return PersonalLayers(self._home.folder, task.run_id, settings.personal_layers)

    def train(self, weights: Weights, settings: TaskSettings, round_no: int) -> tuple[Weights, TrainResult]:
        """Train ``weights`` on the training scans; returns the new weights and what was done."""
        training = self._fitting.get(settings, settings.training)
        on_step = self._follow(round_no, "training")

        def train(shard: Shard) -> tuple[torch.nn.Module, TrainResult]:
            model = self._load_model(settings.model, weights)
            return model, train_locally(
                model,
                shard.train,
                settings.data,
                training,
                round_no=round_no,
                device=self._device,
                on_step=on_step,
            )

        model, result = self._shards.use(settings.data, train)
        self._fitting[settings] = training.model_copy(update={"batch_size": result.batch_size})
        self._display.say(
            f"round {round_no}  trained on {result.num_examples} patches in {result.seconds:.1f} s, "
            f"loss {result.loss:.3f}"
        )
        self._display.rest()
        return {name: tensor.cpu().numpy() for name, tensor in model.state_dict().items()}, result

    def evaluate(
        self, weights: Weights, settings: TaskSettings, round_no: int, *, on_test: bool = False
    ) -> list[ScanScores]:
        """Score ``weights`` on each validation scan, or on each test scan."""
        model = self._load_model(settings.model, weights)
        on_step = self._follow(round_no, "evaluating")

        def evaluate(shard: Shard) -> list[ScanScores]:
            patch_set = _find_test(shard) if on_test else shard.validation
            logits = predict_logits(
                model, patch_set, settings.data, settings.evaluation, device=self._device, on_step=on_step
            )
            return group_by_scan(logits, patch_set)

        scans = self._shards.use(settings.data, evaluate)
        own = score_exactly(scans)
        self._display.say(
            f"round {round_no}  evaluated on {len(scans)} {'test ' if on_test else ''}scans, "
            f"AUC here {_show(own.auc)}, CPM here {_show(own.cpm)}"
        )
        self._display.rest()
        return scans

    def detect(self, weights: Weights, settings: TaskSettings, round_no: int) -> DetectionCounts:
        """Find the nodules of each validation scan from the scan alone, and count what was right."""
        shard = self.prepare(settings.data)
        model = Checkpoint(self._load_model(settings.model, weights), settings.data)
        on_scan = self._follow(round_no, "finding nodules")
        found = detect_in_shard(
            Detector(model, sha256="", network=settings.model.name),
            self.config.data_root,
            shard.validation,
            device=self._device,
            subsets=self.config.subsets,
            on_scan=on_scan,
        )
        for fault in found.faults:
            self._display.say(f"its nodules count as missed: {fault}")
        counts = count_detections(found.scans)
        self._display.say(
            f"round {round_no}  looked for nodules in {len(found.scans)} scans: candidates hit "
            f"{counts.num_nodules_proposed} of {counts.marks.num_nodules}, "
            f"detection CPM here {_show(score(counts.marks).cpm)}"
        )
        self._display.rest()
        return counts

    def _follow(self, round_no: int, work: str) -> OnStep:
        """Show how far a task is, here and to the coordinator; each step ends it if there is a newer one."""
        show = self._display.show(f"round {round_no}: {work}")

        def on_step(num_done: int, num_steps: int) -> None:
            show(num_done, num_steps)
            self._bench.advance(work, num_done, num_steps)

        return on_step

    def _load_model(self, config: ModelConfig, weights: Weights) -> torch.nn.Module:
        if self._built is None or self._built[0] != config:
            self._built = (config, build_model(config))
        model = self._built[1]
        model.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in weights.items()})
        return model


def _find_test(shard: Shard) -> PatchSet:
    if shard.test is None:
        raise MessageError("The coordinator asks for test scans, and its settings have none (test_fraction).")
    return shard.test


def _select_device(config: SiteConfig) -> torch.device:
    try:
        return select_device(config.device)
    except ValueError as error:
        raise SiteDataError(f"Site '{config.site}': {error}") from error


def _show_card(card: DataCard) -> str:
    if card.num_scans is None:
        return "nothing, as there are too few scans"
    return f"counts of {card.num_scans} scans in {len(card.histograms)} histograms"


def _show(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
