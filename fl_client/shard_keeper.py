"""The site's shard, its patches cut as the coordinator asks, kept ready from task to task."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from fl_client.display import SiteDisplay
from fl_client.home import SiteHome
from fl_core.config import SiteConfig
from fl_core.errors import SiteDataError
from luna16.config import DataConfig
from luna16.data_card import DataCard
from luna16.dataset import Shard, load_shard, use_shard
from luna16.shard_card import make_shard_card

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, eq=False)
class Prepared:
    """A shard, how its patches are cut, and its data card."""

    config: DataConfig
    shard: Shard
    card: DataCard


class ShardKeeper:
    """Prepares the shard once for each way to cut it; SiteDataError if the data cannot be used."""

    def __init__(self, config: SiteConfig, home: SiteHome, display: SiteDisplay) -> None:
        self._config = config
        self._home = home
        self._display = display
        self._preparing = threading.Lock()
        self._prepared: Prepared | None = None

    def prepare(self, config: DataConfig) -> Prepared:
        """Return the shard with its patches cut as ``config`` says."""
        with self._preparing:
            if self._prepared is None or self._prepared.config != config:
                self._prepared = self._load(config)
                self._home.keep_data_config(config)
            return self._prepared

    def use(self, config: DataConfig, work: Callable[[Shard], ResultT]) -> ResultT:
        """Do work on the shard, which is mended where its patches on disk turn out to be damaged."""
        prepared = self.prepare(config)
        shard, result = use_shard(prepared.shard, work)
        with self._preparing:
            if self._prepared is prepared:
                self._prepared = replace(prepared, shard=shard)
        return result

    def _load(self, config: DataConfig) -> Prepared:
        on_progress = self._display.show("reading scans")
        try:
            shard = load_shard(
                self._config.data_root,
                self._home.cache_folder,
                config,
                subsets=self._config.subsets,
                on_progress=on_progress,
            )
            shard, card = use_shard(shard, self._make_card)
        except (ValueError, OSError) as error:
            raise SiteDataError(f"Site '{self._config.site}': {error}") from error
        test = f", {shard.test.num_scans} for the test at the end" if shard.test else ""
        self._display.say(
            f"{shard.train.num_scans} scans to train on ({shard.train.num_positives} nodule patches, "
            f"{shard.train.num_negatives} others), {shard.validation.num_scans} to validate on{test}"
        )
        return Prepared(config, shard, card)

    def _make_card(self, shard: Shard) -> DataCard:
        return make_shard_card(self._config.data_root, shard, subsets=self._config.subsets)
