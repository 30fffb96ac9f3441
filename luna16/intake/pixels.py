"""Decode the pixels of one DICOM slice with GDCM, which is shown nothing else of the file.

From a damaged header GDCM asks for gigabytes, and its warnings quote file names; so it gets a file of our own
with the few values that pixels need, as pydicom has read them.
"""

import math
from io import BytesIO
from pathlib import Path

import pydicom
import SimpleITK as sitk  # noqa: N813
from pydicom import Dataset, uid
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, get_frame

from luna16.intake.hounsfield import round_to_hu
from luna16.intake.limits import Limits
from luna16.intake.slices import DAMAGED, Slice, parse_quietly
from luna16.scan import Int16Array

NUM_BITS = (8, 16)
MOST_OVERHEAD_BYTES = 1 << 16
PIXEL_TAGS = (
    *("SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored"),
    *("HighBit", "PixelRepresentation", "RescaleIntercept", "RescaleSlope", "PixelData"),
)


def check_pixels(image: Slice, limits: Limits) -> None:
    """Raise ValueError if a file cannot hold the pixels that it promises, before GDCM makes room for them."""
    pixels = image.pixels
    if pixels.num_bits not in NUM_BITS:
        raise ValueError(f"Its pixels have {pixels.num_bits} bits, expected 16: export the series again.")
    promised = math.prod(pixels.size_yx_vox) * pixels.num_bits // 8
    if pixels.is_compressed:
        is_right = promised / limits.max_ratio <= pixels.num_bytes <= 2 * promised + MOST_OVERHEAD_BYTES
    else:
        is_right = pixels.num_bytes in (promised, promised + promised % 2)
    if not is_right:
        raise ValueError(DAMAGED)


def decode_slice(image: Slice, folder: Path) -> Int16Array:
    """Give the HU of a slice by its own slope and intercept; a file is written into ``folder`` for that.

    Returns int16 of shape (H, W). Raises ValueError if GDCM cannot decode the pixels.
    """
    path = folder / "slice.dcm"
    parse_quietly(lambda: _write_pixels(image, path))
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    try:
        plane = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError:
        raise ValueError(DAMAGED) from None
    if plane.shape != (1, *image.pixels.size_yx_vox):
        raise ValueError(DAMAGED)
    return round_to_hu(plane[0])


def _write_pixels(image: Slice, path: Path) -> None:
    source = pydicom.dcmread(BytesIO(image.path.read_bytes()), specific_tags=list(PIXEL_TAGS))
    dataset = Dataset({element.tag: element for element in source if element.keyword in PIXEL_TAGS})
    if source.file_meta.TransferSyntaxUID == uid.RLELossless:  # over a damaged one GDCM crashes
        source.decompress(as_rgb=False, generate_instance_uid=False)
        dataset.PixelData = source.PixelData
    elif image.pixels.is_compressed:  # its fragments are put together anew, as each tells a length of its own
        dataset.PixelData = encapsulate([get_frame(source.PixelData, 0, number_of_frames=1)])
        dataset["PixelData"].is_undefined_length = True
    dataset.SOPClassUID, dataset.SOPInstanceUID = uid.CTImageStorage, "2.25.1"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
    dataset.save_as(path, enforce_file_format=True)
