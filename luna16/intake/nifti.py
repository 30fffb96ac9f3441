"""Read a NIfTI-1 file, .nii or .nii.gz. SimpleITK turns its RAS world into LPS."""

from itertools import islice
from pathlib import Path

import numpy as np

from luna16.geometry import FloatArray
from luna16.header import is_orthonormal
from luna16.intake.grid import oblique
from luna16.intake.hounsfield import NOT_FINITE
from luna16.intake.image_file import read_image
from luna16.intake.layout import Layout, read_blocks
from luna16.intake.limits import Limits
from luna16.intake.sizes import as_size
from luna16.scan import Scan

HEADER_BYTES = 348
FIRST_VOXEL_BYTES = 352
FIELDS = {
    "sizeof_hdr": ("i4", 0),
    "dim": ("8i2", 40),
    "datatype": ("i2", 70),
    "bitpix": ("i2", 72),
    "pixdim": ("8f4", 76),
    "vox_offset": ("f4", 108),
    "qform_code": ("i2", 252),
    "sform_code": ("i2", 254),
    "srow": ("(3,4)f4", 280),
    "magic": ("S4", 344),
}
HEADER = np.dtype(
    {
        "names": list(FIELDS),
        "formats": [form for form, _ in FIELDS.values()],
        "offsets": [offset for _, offset in FIELDS.values()],
        "itemsize": HEADER_BYTES,
    }
)
VOXEL_BYTES = {2: 1, 4: 2, 8: 4, 16: 4, 64: 8, 256: 1, 512: 2, 768: 4}
"""By the code of the type: whole numbers of 8 to 32 bits, and floats."""
SAME_SPACING = 0.01
FLOAT_TYPES = (16, 64)
COLOUR_TYPES = (128, 2304)


def read_nifti(path: Path, limits: Limits) -> Scan:
    """Read the scan; ValueError if its header is faulty or does not fit its voxels."""
    is_compressed = path.name.lower().endswith(".gz")
    start = b"".join(islice(read_blocks(path, is_compressed=is_compressed), 1))[:HEADER_BYTES]
    header = parse_header(start)
    check_fields(header)
    layout = Layout(
        path=path,
        size_xyz_vox=_size_of(header),
        voxel_bytes=VOXEL_BYTES[int(header["datatype"])],
        lead_bytes=_lead_of(header, limits),
        is_compressed=is_compressed,
    )
    scan = read_image(path, "NiftiImageIO", layout, limits)
    if int(header["datatype"]) in FLOAT_TYPES:
        _check_finite(layout, np.dtype(f"{header.dtype['dim'].base.byteorder}f{layout.voxel_bytes}"))
    return scan


def _check_finite(layout: Layout, dtype: np.dtype[np.floating]) -> None:
    """Look for NaN and infinity in the file itself, as SimpleITK reads them as 0."""
    skip, rest = layout.lead_bytes, b""
    for block in read_blocks(layout.path, is_compressed=layout.is_compressed):
        data = rest + block[skip:]
        skip = max(0, skip - len(block))
        values = np.frombuffer(data, dtype, count=len(data) // dtype.itemsize)
        rest = data[values.nbytes :]
        if not np.isfinite(values).all():
            raise ValueError(NOT_FINITE)


def parse_header(data: bytes) -> np.void:
    """Give the fields of a header in the byte order that its first one tells."""
    if len(data) == HEADER_BYTES:
        for dtype in (HEADER.newbyteorder("<"), HEADER.newbyteorder(">")):
            header: np.void = np.frombuffer(data, dtype)[0]
            if header["sizeof_hdr"] == HEADER_BYTES and header["magic"] == b"n+1":
                return header
    raise ValueError("The file has no NIfTI-1 header: export the scan again as .nii or .nii.gz.")


def check_fields(header: np.void) -> None:
    """Raise ValueError if the header tells of anything but one 3-D scan that knows where it lies."""
    datatype = int(header["datatype"])
    if datatype in COLOUR_TYPES:
        raise ValueError("It is a colour image: hand over the CT itself, in HU.")
    if datatype not in VOXEL_BYTES or header["bitpix"] != 8 * VOXEL_BYTES[datatype]:
        raise ValueError(
            f"Its datatype is {datatype} of {header['bitpix']} bits, expected 4 of 16: convert it to int16."
        )
    if header["qform_code"] <= 0 and header["sform_code"] <= 0:
        raise ValueError("The header does not say where the voxels lie: export with sform or qform.")
    if header["sform_code"] > 0:
        _check_sform(header["srow"][:, :3].astype(float), header["pixdim"][1:4].astype(float))


def _check_sform(axes_mm: FloatArray, spacing_mm: FloatArray) -> None:
    """SimpleITK refuses oblique axes without a word on which, and of two spacings takes one."""
    lengths_mm = np.linalg.norm(axes_mm, axis=0)
    if not lengths_mm.all() or not np.allclose(lengths_mm, spacing_mm, rtol=SAME_SPACING):
        raise ValueError("The header's sform and pixdim are not of one spacing in mm: export the scan again.")
    if not is_orthonormal((axes_mm / lengths_mm).ravel().tolist()):
        raise ValueError(oblique())


def _size_of(header: np.void) -> tuple[int, int, int]:
    num_axes, *sizes = map(int, header["dim"])
    found = f"The header's dim is {[num_axes, *sizes]}"
    if num_axes not in range(3, 8) or any(n != 1 for n in sizes[3:num_axes]):
        raise ValueError(f"{found}, expected 3 axes: hand over one 3-D scan.")
    return as_size(sizes[:3], found)


def _lead_of(header: np.void, limits: Limits) -> int:
    lead_bytes = float(header["vox_offset"])
    if not FIRST_VOXEL_BYTES <= lead_bytes <= limits.max_header_bytes:
        raise ValueError(
            f"The header's vox_offset is {lead_bytes:g}, expected {FIRST_VOXEL_BYTES}: export the scan again."
        )
    return int(lead_bytes)
