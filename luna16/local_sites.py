"""Several sites whose data lie on one disk: the shards in a folder, or the subsets of one data set."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from luna16.config import DataConfig
from luna16.dataset import Shard, load_shard
from luna16.scan import find_scans, find_subsets


@dataclass(frozen=True)
class LocalSite:
    """Where the scans of one site lie; ``subsets`` are those it holds of the data set in ``data_root``."""

    name: str
    data_root: Path
    subsets: tuple[int, ...]

    def count_scans(self) -> int:
        """Count the scans on disk."""
        return len(find_scans(self.data_root, self.subsets))


def are_subsets(sites: Sequence[LocalSite]) -> bool:
    """Say whether the sites are the subsets of one data set."""
    return len({site.data_root for site in sites}) == 1


def find_sites(root: Path) -> list[LocalSite]:
    """Give the sites in ``root``, by name: its subset folders, or the shards that it holds.

    Raises FileNotFoundError if there is neither.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"No data folder {root}. Check ROOT.")
    if subsets := _list_subsets(root):
        return [LocalSite(f"subset{number}", root, (number,)) for number in subsets]
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    sites = [LocalSite(path.name, path, numbers) for path in folders if (numbers := _list_subsets(path))]
    if not sites:
        raise FileNotFoundError(
            f"{root} holds neither subset folders nor shards: expected subset0, subset1 and so on, "
            "or what luna16 shard writes."
        )
    return sites


def load_sites(
    sites: Sequence[LocalSite],
    cache_dir: Path,
    config: DataConfig,
    *,
    on_progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Shard]:
    """Load the shard of each site, by its name; patches are cut into ``cache_dir``, or found there.

    ``on_progress`` is told the number of scans done, of all sites.

    Raises FileNotFoundError, ValueError or OSError, with one line that names the site, if its data or the
    disk cannot be used, and ValueError if a scan is at two sites.
    """
    shards: dict[str, Shard] = {}
    num_done = 0
    for site in sites:
        start = num_done

        def tell(done: int, _total: int, start: int = start) -> None:
            on_progress(start + done)

        shards[site.name] = _load_site(site, cache_dir / site.name, config, tell)
        num_done += site.count_scans()
        on_progress(num_done)
    _check_apart(shards)
    return shards


def _load_site(
    site: LocalSite, cache_dir: Path, config: DataConfig, on_progress: Callable[[int, int], None]
) -> Shard:
    try:
        return load_shard(site.data_root, cache_dir, config, subsets=site.subsets, on_progress=on_progress)
    except ValueError as error:
        raise ValueError(f"Site '{site.name}': {error}") from error


def _list_subsets(root: Path) -> tuple[int, ...]:
    try:
        return tuple(find_subsets(root))
    except FileNotFoundError:
        return ()


def _check_apart(shards: Mapping[str, Shard]) -> None:
    """Raise ValueError if a scan is at two sites: one could train on what the other is tested with."""
    holders: dict[str, str] = {}
    for name, shard in shards.items():
        for series_uid in (uid for side in shard.sides for uid in side.series_uids):
            if holders.setdefault(series_uid, name) != name:
                raise ValueError(
                    f"A scan is at two sites, '{holders[series_uid]}' and '{name}'. Deal the scans out "
                    "with luna16 shard, each to one site."
                )
