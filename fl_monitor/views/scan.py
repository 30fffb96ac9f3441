"""The Scan page: a scan of one's own is searched for nodules, and looked at with what was found.

Its block asks for the scans itself, as they are nobody else's business; here are the words that it says.
"""

from collections.abc import Mapping

from fl_monitor.blocks import Block, Header, Page, Part, Scans
from fl_monitor.language import gettext as _
from fl_monitor.views.seen import Seen


def make(_seen: Seen) -> Page:
    """Return the page, which says the same to everybody."""
    text = _("Give a chest CT and see where the federation's model finds nodules.")
    return Page(Header(_("Scan"), text=text), (Part((), _scans),))


def _scans() -> list[Block]:
    return [Scans("scans", _("Scans"), words=_words())]


def _words() -> Mapping[str, str]:
    return {
        "send": _("Send a scan"),
        "choose_files": _("Choose files"),
        "choose_folder": _("Choose a DICOM folder"),
        "kinds": _(
            "A .zip, .nii, .nii.gz, .nrrd or .mha, an .mhd with its .raw or .zraw, or DICOM files of one "
            "series."
        ),
        "drop": _("You may drop the files here, too."),
        "model": _("Model"),
        "offline": _("The monitor cannot be reached. Sending goes on by itself."),
        "unreadable": _("The file cannot be read any more. Choose it again to go on."),
        "unsent": _("The scan was not sent: the monitor answers with {status}."),
        "go_on": _("Choose the same file again to go on."),
        "own": _("Your scans"),
        "none": _("You have sent no scan yet."),
        "show": _("Show"),
        "cancel": _("Cancel"),
        "delete": _("Delete"),
        "sure": _("Click again to delete"),
        "until": _("will be deleted {time}"),
        "axial": _("Axial"),
        "coronal": _("Coronal"),
        "sagittal": _("Sagittal"),
        "enlarge": _("Enlarge"),
        "slice": _("Slice {number} of {total}"),
        "marked": _("marked: nodule {ranks}"),
        "plane": _("{plane} slices"),
        "window": _("Window"),
        "lung": _("Lung"),
        "mediastinum": _("Mediastinum"),
        "bone": _("Bone"),
        "level": _("width {width}, level {level} HU"),
        "nodules": _("Nodules: {number}, the most probable first"),
        "no_nodules": _("No nodule was found."),
        "nodule": _("Nodule {rank}"),
        "nodule_text": _("{diameter} mm, {percent} %"),
        "nodule_place": _("slice {number}"),
        "results": _("Results"),
        "help": _(
            "Wheel or arrow keys: slices. Page keys: ten. Home, End: first, last. Drag: window. Click: the "
            "other planes go there. On a touch screen slide sideways."
        ),
        "unloaded": _("This scan cannot be shown: {reason}"),
        "letters": _("R L A P S I"),
    }
