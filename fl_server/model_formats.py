"""The formats that a model is exported in."""

from enum import StrEnum


class ModelFormat(StrEnum):
    """What a model is exported as; ``static/use-*.md`` says of each how to use it."""

    MONAI_BUNDLE = "monai-bundle"
    TORCHSCRIPT = "torchscript"
    ONNX = "onnx"
    SAFETENSORS = "safetensors"
