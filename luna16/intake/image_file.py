"""Read a scan of one image file with SimpleITK, once its header has been checked against the file."""

import tempfile
from pathlib import Path

import SimpleITK as sitk  # noqa: N813

from luna16.intake.grid import check_grid
from luna16.intake.hounsfield import check_hu, to_hu
from luna16.intake.layout import Layout, check_layout
from luna16.intake.limits import Limits
from luna16.scan import Scan, geometry_of


def read_image(path: Path, image_io: str, layout: Layout, limits: Limits) -> Scan:
    """Read the image with SimpleITK's reader of one format.

    Raises ValueError if the file does not hold what its header promises, if SimpleITK understands the header
    otherwise than we do, or if grid or values are those of no CT.
    """
    check_layout(layout, limits)
    reader = sitk.ImageFileReader()
    reader.SetImageIO(image_io)
    with tempfile.TemporaryDirectory(prefix="fedluna-link-") as folder:
        reader.SetFileName(str(_link(path, layout.path, Path(folder))))
        try:
            reader.ReadImageInformation()
            _check_reader(reader, layout)
            check_grid(geometry_of(reader))
            image = reader.Execute()
        except RuntimeError:
            raise ValueError("SimpleITK cannot read the scan: export or copy it again.") from None
    voxels_hu = to_hu(image)
    check_hu(voxels_hu)
    return Scan("", voxels_hu, geometry_of(reader))


def _link(path: Path, voxel_path: Path, folder: Path) -> Path:
    """Link the files under a name that is nobody's, because SimpleITK's warnings quote it on stderr."""
    if voxel_path != path:
        (folder / voxel_path.name).symlink_to(voxel_path.resolve())
    link = folder / f"scan{''.join(path.suffixes[-2:] if path.suffix == '.gz' else path.suffix)}"
    link.symlink_to(path.resolve())
    return link


def _check_reader(reader: sitk.ImageFileReader, layout: Layout) -> None:
    """Refuse a header that two readers understand in two ways, because it could have any size."""
    if reader.GetNumberOfComponents() != 1 or tuple(reader.GetSize()) != layout.size_xyz_vox:
        raise ValueError("The header can be read in two ways: export the scan again.")
