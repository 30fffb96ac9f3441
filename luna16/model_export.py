"""A trained network as a file for other programs; each is loaded and compared once it is written.

All take ``patches``, float32 of shape (B, 1, D, H, W) in [0, 1], and give ``logits``, of shape (B, 1).
"""

import io
import logging
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from luna16.checkpoint import Checkpoint

if TYPE_CHECKING:
    from onnx import ModelProto

PROBABILITY_TOLERANCE = 1e-5
LOGIT_TOLERANCE = 1e-3  # two networks that are both sure, and for unlike reasons, have the same probabilities
NUM_TRACED, NUM_COMPARED = 2, 3  # not alike: the number of patches must not be fixed in the file
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")

Predict = Callable[[Tensor], Tensor]


def check_packages() -> None:
    """Raise ValueError if a package is missing that ONNX needs."""
    if missing := [name for name in ONNX_PACKAGES if find_spec(name) is None]:
        raise ValueError(f"ONNX needs {' and '.join(missing)}. Run: pip install {' '.join(missing)}")


@torch.no_grad()
def write_torchscript(checkpoint: Checkpoint, path: Path) -> None:
    """Write the network as TorchScript, for programs in Python or C++ that have no code of it.

    torch.jit is deprecated, and what MONAI reads all the same. The same weights give the same bytes in every
    new process. Raises OSError if it cannot be written, ValueError if the file computes something else.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", "Converting a tensor to a Python boolean")  # checks of shapes
        example = _draw_patches(checkpoint, NUM_TRACED)
        traced = torch.jit.trace(checkpoint.model.eval(), example, check_trace=False)
        archive = io.BytesIO()
        torch.jit.save(traced, archive)
        _copy_without_places(archive, path)
        written = torch.jit.load(path, map_location="cpu").eval()
    check_same(checkpoint, written, name=path.name)


@torch.no_grad()
def write_onnx(checkpoint: Checkpoint, path: Path) -> None:
    """Write the network as ONNX, one file with its weights; the same weights give the same bytes.

    Raises OSError if it cannot be written, ValueError if the file computes something else.
    """
    with _keep_exporter_quiet():
        program = torch.onnx.export(
            checkpoint.model.eval(),
            (_draw_patches(checkpoint, NUM_TRACED),),
            input_names=["patches"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise ValueError("The network cannot be written as ONNX.")
    proto = program.model_proto
    _drop_places(proto)
    path.write_bytes(proto.SerializeToString(deterministic=True))
    check_same(checkpoint, _open_onnx(path), name=path.name)


def write_state_dict(checkpoint: Checkpoint, path: Path) -> None:
    """Write the weights alone as torch.save does, for MONAI, whose bundles have such a file.

    Raises OSError if it cannot be written, ValueError if other weights come back.
    """
    weights, archive = checkpoint.model.state_dict(), io.BytesIO()
    torch.save(weights, archive)  # not to the disk: it gives a RuntimeError if that is full
    path.write_bytes(archive.getvalue())
    written = torch.load(path, map_location="cpu", weights_only=True)
    if not all(torch.equal(written[name], tensor) for name, tensor in weights.items()):
        raise ValueError(f"{path.name} does not hold the weights of the model.")


@torch.no_grad()
def check_same(checkpoint: Checkpoint, predict: Predict, *, name: str) -> None:
    """Raise ValueError if ``predict`` gives other logits than the network, for patches that are drawn."""
    patches = _draw_patches(checkpoint, NUM_COMPARED)
    expected, found = checkpoint.model.eval()(patches), predict(patches)
    difference = (found.sigmoid() - expected.sigmoid()).abs().max().item()
    is_near = torch.allclose(found, expected, rtol=LOGIT_TOLERANCE, atol=LOGIT_TOLERANCE)
    if not (difference <= PROBABILITY_TOLERANCE and is_near):  # nor if one is NaN
        raise ValueError(
            f"{name} differs from the model: probabilities by {difference:.2g}, "
            f"expected at most {PROBABILITY_TOLERANCE:g}."
        )


def _draw_patches(checkpoint: Checkpoint, num_patches: int) -> Tensor:
    """Give the same random patches every time: blurred noise of a darkness of its own for each."""
    random = torch.Generator().manual_seed(0)
    noise = torch.rand(num_patches, 1, *[checkpoint.data.patch_size_vox] * 3, generator=random)
    darkness = torch.linspace(0.5, 4, num_patches).reshape(-1, 1, 1, 1, 1)
    return torch.nn.functional.avg_pool3d(noise, 3, stride=1, padding=1) ** darkness


def _copy_without_places(archive: io.BytesIO, path: Path) -> None:
    """Copy a TorchScript archive without the records that tell in which folders it was traced."""
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(path, "w") as target:
        for record in source.infolist():
            if not record.filename.endswith(".debug_pkl"):
                target.writestr(zipfile.ZipInfo(record.filename), source.read(record))


def _drop_places(proto: "ModelProto") -> None:
    """Take from an ONNX model what tells in which folders it was traced."""
    graph = proto.graph
    for part in (*graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.ClearField("doc_string")


def _open_onnx(path: Path) -> Predict:
    import onnxruntime  # noqa: PLC0415 - only those who export to ONNX have it

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda patches: torch.from_numpy(session.run(["logits"], {"patches": patches.numpy()})[0])


@contextmanager
def _keep_exporter_quiet() -> Iterator[None]:
    """Keep to itself what torch's exporter says of its own code and of packages that we do not need."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for kind in (DeprecationWarning, FutureWarning):
                warnings.simplefilter("ignore", kind)
            yield
    finally:
        exporter.setLevel(level)
