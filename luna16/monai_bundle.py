"""A network as a MONAI bundle, which ``python -m monai.bundle run`` executes without any code of ours.

The layout is that of https://docs.monai.io/en/stable/mb_specification.html. The network is TorchScript, since
MONAI's own classes have neither our GroupNorm in every layer nor our stem.
"""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from luna16.checkpoint import Checkpoint
from luna16.config import DataConfig
from luna16.model_export import write_state_dict, write_torchscript
from luna16.whole_files import write_json

SCHEMA = "https://project-monai.github.io/schema/meta_schema_20240725.json"
REQUIRED_PACKAGES = {"fire": "0.7.1", "pytorch-ignite": "0.5.5"}  # those of constraints.txt


def write_bundle(checkpoint: Checkpoint, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write configurations and models into an empty folder; ``facts`` are further keys of the metadata.

    Raises OSError if it cannot be written, ValueError if a file does not hold the network.
    """
    for name in ("configs", "models"):
        (folder / name).mkdir()
    write_torchscript(checkpoint, folder / "models" / "model.ts")
    write_state_dict(checkpoint, folder / "models" / "model.pt")
    write_json(folder / "configs" / "metadata.json", {**make_metadata(checkpoint.data), **facts})
    write_json(folder / "configs" / "inference.json", make_inference(checkpoint.data))


def make_metadata(data: DataConfig) -> dict[str, Any]:
    """Give the metadata of any of our networks, by MONAI's schema."""
    return {
        "schema": SCHEMA,
        "version": version("fedluna"),
        "name": "FedLuna lung nodule classifier",
        "task": "Tell lung nodules from other tissue in CT",
        "description": "A 3-D network that tells how likely a nodule lies at a place in a chest CT, "
        "trained at several hospitals by federated learning; no CT left a hospital.",
        "intended_use": "Research use only, not for diagnosis.",
        "authors": "The hospitals of a FedLuna federation",
        "copyright": "Held by those who trained the model",
        "monai_version": version("monai"),
        "pytorch_version": version("torch").partition("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": REQUIRED_PACKAGES,
        "data_type": "npy",
        "image_classes": "CT around a candidate, HU scaled to [0, 1]",
        "pred_classes": "a logit: above 0 a nodule is likelier than not",
        "network_data_format": {
            "inputs": {"image": _describe_patch(data)},
            "outputs": {"pred": _describe_number("logits", [])},
            "post_processed_outputs": {"pred": _describe_number("probabilities", [0, 1])},
        },
    }


def make_inference(data: DataConfig) -> dict[str, Any]:
    """Give the workflow: each .npy in ``dataset_dir`` is a patch in HU, and gets a line in a table."""
    return {
        "imports": ["$import glob", "$import os", "$import sys", "$import torch", "$import monai"],
        "bundle_root": ".",
        "dataset_dir": "$os.path.join(@bundle_root, 'patches')",
        "output_dir": "$os.path.join(@bundle_root, 'eval')",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "batch_size": 64,
        "files": "$sorted(glob.glob(os.path.join(@dataset_dir, '*.npy')))",
        "model_file": "$os.path.join(@bundle_root, 'models', 'model.ts')",
        "network_def": "$torch.jit.load(@model_file, map_location=@device)",
        "preprocessing": {"_target_": "Compose", "transforms": _list_transforms(data)},
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': file} for file in @files]",
            "transform": "@preprocessing",
        },
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": "@batch_size"},
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": {"_target_": "Activationsd", "keys": "pred", "sigmoid": True},
        "handlers": [
            {
                "_target_": "ClassificationSaver",
                "output_dir": "@output_dir",
                "filename": "probabilities.csv",
                "batch_transform": "$lambda batch: [each['image'].meta for each in batch]",
                "output_transform": "$monai.handlers.from_engine(['pred'])",
            }
        ],
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network_def",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "val_handlers": "@handlers",
        },
        "initialize": [
            "$@files or sys.exit('No .npy file in ' + @dataset_dir + '. Give --dataset_dir FOLDER.')",
            "$setattr(torch.backends.cudnn, 'allow_tf32', False)",  # it would cost the fifth digit on a GPU
        ],
        "run": ["$@evaluator.run()"],
    }


def _list_transforms(data: DataConfig) -> list[dict[str, Any]]:
    return [
        {"_target_": "LoadImaged", "keys": "image", "reader": "NumpyReader"},
        {"_target_": "EnsureChannelFirstd", "keys": "image", "channel_dim": "no_channel"},
        {"_target_": "ScaleIntensityRanged", "keys": "image", "clip": True}
        | {"a_min": data.hu_min, "a_max": data.hu_max, "b_min": 0, "b_max": 1},
    ]


def _describe_patch(data: DataConfig) -> dict[str, Any]:
    return {
        "type": "image",
        "format": "hounsfield",
        "modality": "CT",
        "num_channels": 1,
        "spatial_shape": [data.patch_size_vox] * 3,
        "dtype": "float32",
        "value_range": [0, 1],
        "is_patch_data": True,
        "channel_def": {"0": "HU, scaled"},
    }


def _describe_number(kind: str, value_range: list[int]) -> dict[str, Any]:
    return {
        "type": kind,
        "format": "classes",
        "num_channels": 1,
        "spatial_shape": [],
        "dtype": "float32",
        "value_range": value_range,
        "is_patch_data": False,
        "channel_def": {"0": "nodule"},
    }
