"""A chest CT of a few thousand voxels, written in every format that can be handed over."""

import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from pydicom import Dataset, dcmread, uid
from pydicom.dataset import FileMetaDataset

from luna16.geometry import AXIAL_DIRECTION, Geometry
from luna16.phantom import FLIPPED_DIRECTION
from luna16.scan import Int16Array, make_image

SIZE_ZYX_VOX = (18, 24, 28)
GEOMETRY = Geometry((-17.5, -12.25, 101.0), (0.75, 0.875, 2.5), AXIAL_DIRECTION, SIZE_ZYX_VOX)
INTERCEPT_HU = -4000
PATIENT = "Nobody^Ada"


def draw_chest() -> Int16Array:
    """Give padding, soft tissue and two lungs, with noise so that no two voxels are mistaken."""
    voxels_hu = np.full(SIZE_ZYX_VOX, -3024, np.int16)
    voxels_hu[:, 2:-2, 2:-2] = 40
    voxels_hu[2:-2, 6:-6, 5:12] = voxels_hu[2:-2, 6:-6, 16:23] = -850
    voxels_hu[8:10, 9:12, 7:10] = 60
    return voxels_hu + np.random.default_rng(7).integers(0, 30, SIZE_ZYX_VOX).astype(np.int16)


def make_ct(voxels: np.ndarray | None = None, geometry: Geometry = GEOMETRY) -> sitk.Image:
    """Give the image of the chest, or of other voxels in its place."""
    return make_image(draw_chest() if voxels is None else voxels, geometry)


def write_ct(path: Path, image: sitk.Image | None = None, *, compress: bool = False) -> Path:
    """Write an image, by default the chest, in the format that the name tells of."""
    sitk.WriteImage(make_ct() if image is None else image, str(path), compress)
    return path


def flip(image: sitk.Image) -> sitk.Image:
    """Give the same scan with x and y stored backwards, as its direction says."""
    flipped = sitk.Flip(image, [True, True, False])
    assert flipped.GetDirection() == FLIPPED_DIRECTION
    return flipped


def write_series(
    folder: Path,
    *,
    voxels_hu: Int16Array | None = None,
    series_uid: str = "2.25.4711",
    change: Callable[[Dataset, int], None] | None = None,
) -> Path:
    """Write the chest as a DICOM series whose file names and numbers say nothing of the order.

    ``change`` may alter each slice, which it gets with its place from below.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for place, plane in enumerate(draw_chest() if voxels_hu is None else voxels_hu):
        dataset = make_slice(plane, place, series_uid)
        if change:
            change(dataset, place)
        dataset.save_as(folder / f"{series_uid[-1]}{place * 7 % 101:03d}.dcm", enforce_file_format=True)
    return folder


def make_slice(plane_hu: Int16Array, place: int, series_uid: str) -> Dataset:
    """Give one slice with an intercept of -4000, as a scanner that stores no negative value."""
    x_mm, y_mm, z_mm = GEOMETRY.voxel_to_world((place, 0, 0))
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = uid.CTImageStorage
    dataset.SOPInstanceUID = f"{series_uid}.{place}"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID = series_uid, "2.25.1"
    dataset.Modality, dataset.InstanceNumber = "CT", place * 5 % 37
    dataset.PatientName = PATIENT
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.ImagePositionPatient = [f"{x_mm:.4f}", f"{y_mm:.4f}", f"{z_mm:.4f}"]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = list(GEOMETRY.spacing_xyz_mm[1::-1])
    dataset.Rows, dataset.Columns = plane_hu.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, INTERCEPT_HU
    dataset.PixelData = (plane_hu - INTERCEPT_HU).astype(np.uint16).tobytes()
    return dataset


def compress_slice(dataset: Dataset, compressor: str) -> None:
    """Pack a slice's pixels without loss: RLE, or as SimpleITK's compressor of this name does."""
    if compressor == "RLE":
        dataset.compress(uid.RLELossless, generate_instance_uid=False)
        return
    with tempfile.TemporaryDirectory() as folder:
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.SetFileName(f"{folder}/slice.dcm")
        writer.UseCompressionOn()
        writer.SetCompressor(compressor)
        stored = np.frombuffer(dataset.PixelData, np.uint16).reshape(1, dataset.Rows, dataset.Columns)
        writer.Execute(sitk.GetImageFromArray(stored))
        packed = dcmread(f"{folder}/slice.dcm")
    dataset.file_meta.TransferSyntaxUID = packed.file_meta.TransferSyntaxUID
    dataset.PixelData = packed.PixelData
    dataset["PixelData"].is_undefined_length = True


def zip_folder(folder: Path, path: Path) -> Path:
    """Zip all files below a folder under their names in it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path
