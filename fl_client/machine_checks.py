"""What ``fl-client check`` looks at on this machine: data, device, software, and what the site agrees to."""

import os
import platform
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

from fl_core.config import ConsentConfig, SiteConfig
from fl_core.findings import Finding, Level

NUM_FAULTS_SHOWN = 3
FREE_GPU_GB_WISHED = 2.0


def look_at_data(config: SiteConfig) -> Finding:
    """Look at the scans and tables that the site trains on."""
    from luna16.quick_check import glance_at  # noqa: PLC0415 - SimpleITK takes a second

    subject, verify = "data", f"Mend it; luna16 verify {config.data_root} looks at everything."
    try:
        found = glance_at(config.data_root, config.subsets)
    except (ValueError, OSError) as error:
        return Finding(subject, Level.FAULT, str(error), verify)
    text = (
        f"{found.num_scans} scans, {found.num_scans_with_nodules} with nodules, "
        f"{found.num_candidates} candidates."
    )
    if not found.faults:
        return Finding(subject, Level.OK, text, f"Not every voxel was read: luna16 verify {config.data_root}")
    shown = " ".join(found.faults[:NUM_FAULTS_SHOWN])
    text = f"{text} {len(found.faults)} cannot be used and will be set aside. {shown}"
    is_all = len(found.faults) == found.num_scans
    return Finding(subject, Level.FAULT if is_all else Level.WARNING, text, verify)


def look_at_device(name: str) -> Finding:
    """Look at whether the device is there, and how much room a GPU has."""
    import torch  # noqa: PLC0415 - takes seconds

    from luna16.model import select_device  # noqa: PLC0415

    try:
        device = select_device(name)
    except ValueError as error:
        return Finding("device", Level.FAULT, str(error), "Correct `device` in the site's file.")
    if device.type == "cpu":
        return Finding("device", Level.OK, f"Training uses the CPU, {os.cpu_count()} cores.")
    free_gb = torch.cuda.mem_get_info(device)[0] / 1e9
    text = f"Training uses {torch.cuda.get_device_name(device)}; {free_gb:.1f} GB of its memory are free."
    if free_gb < FREE_GPU_GB_WISHED:
        return Finding("device", Level.WARNING, text, "End other programs on the GPU, or choose another.")
    return Finding("device", Level.OK, text)


def look_at_software() -> Iterator[Finding]:
    """Hold the installed packages against what this FedLuna needs."""
    needed = metadata.metadata("fedluna")["Requires-Python"]
    text = f"FedLuna {metadata.version('fedluna')} on Python {platform.python_version()} (needs {needed})."
    yield Finding("software", Level.OK, text)
    wrong = [fault for line in metadata.requires("fedluna") or () if (fault := _find_fault(line))]
    if wrong:
        advice = "pip install -c constraints.txt -e . in FedLuna's folder."
        yield Finding("packages", Level.FAULT, f"Not as needed: {', '.join(wrong)}.", advice)
    else:
        yield Finding("packages", Level.OK, "All are as needed.")


def _find_fault(line: str) -> str | None:
    """Say what is wrong with a package that a requirement such as ``flwr==1.39.0`` names."""
    needed = Requirement(line)
    if needed.marker and not needed.marker.evaluate({"extra": ""}):
        return None
    try:
        found = metadata.version(needed.name)
    except metadata.PackageNotFoundError:
        return f"{needed.name} is missing"
    return None if needed.specifier.contains(found, prereleases=True) else f"{needed} is {found}"


def describe_consent(consent: ConsentConfig) -> Finding:
    """Say what the site agrees to, so that who runs it can see it once more."""
    limits = [
        f"models {' and '.join(consent.models)}" if consent.models else "any model",
        f"{consent.max_local_epochs or 'any number of'} epochs a round",
        f"rounds of {consent.min_sites} or more sites",
        f"{consent.max_rounds_per_day or 'any number of'} rounds a day",
        "the data card is shared" if consent.share_data_card else "the data card stays here",
        f"the model is shown to {'other sites too' if consent.share_model else 'the coordinator alone'}",
        f"the log {'is told the coordinator at the end of a run' if consent.share_log else 'stays here'}",
    ]
    return Finding("consent", Level.OK, f"{'; '.join(limits)}.".capitalize())
