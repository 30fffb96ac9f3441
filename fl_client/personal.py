"""The layers that stay at this hospital, as with FedBN (Li et al. 2021, https://arxiv.org/abs/2102.07623)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from fl_core.errors import SiteDataError
from fl_core.messages import Weights
from fl_core.strategies import match_layers
from luna16.whole_files import write_whole

FILE = "personal.safetensors"


@dataclass(frozen=True)
class PersonalLayers:
    """The tensors of one run that a site keeps in its folder; those of an earlier run are as none."""

    folder: Path
    run_id: str
    patterns: tuple[str, ...]

    def put_over(self, received: Weights) -> Weights:
        """Return the weights received, with the site's own in their places once there are any.

        Raises SiteDataError if its own cannot be read.
        """
        return {**received, **self._read()} if self.patterns else received

    def keep_back(self, trained: Weights, received: Weights) -> Weights:
        """Keep the site's own tensors, and return what may leave: what was received in place of them.

        So the form stays that of the model, and these tensors are as if nobody had trained them. ValueError
        if one of its own is not finite, OSError if they cannot be written: those of before are kept then.
        """
        own = {name: trained[name] for name in match_layers(trained, self.patterns)}
        if own:
            self._write(own)
        return {name: received[name] if name in own else tensor for name, tensor in trained.items()}

    def _read(self) -> Mapping[str, npt.NDArray[Any]]:
        path = self.folder / FILE
        if not path.exists():
            return {}
        try:
            with safe_open(path, framework="numpy") as file:
                is_of_this_run = (file.metadata() or {}).get("run_id") == self.run_id
                return {name: file.get_tensor(name) for name in file.keys() if is_of_this_run}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise SiteDataError(
                f"{path} cannot be read. Remove it: the site begins anew with the layers of the coordinator."
            ) from error

    def _write(self, own: Weights) -> None:
        for name, tensor in own.items():
            if not np.isfinite(tensor).all():
                raise ValueError(f"The training gave NaN or infinite values in '{name}'.")
        path = self.folder / FILE
        try:
            write_whole(path, save(dict(own), metadata={"run_id": self.run_id}))
        except OSError as error:
            raise OSError(f"Cannot write {path}: {error.strerror}. Make room on its disk.") from error
