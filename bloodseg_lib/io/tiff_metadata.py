"""What a TIFF file tells of its picture: pixel size, objective, bits, names of channels.

OME and slides of scanners have descriptions of their own, ImageJ its own units.
"""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

from bloodseg_lib.io.raster import note_pixel_size
from bloodseg_lib.io.stored import Stored

COLOURS = ("red", "green", "blue")
_RGBA = {"-16776961": "red", "16711935": "green", "65535": "blue"}  # colours as OME writes them
_RESOLUTIONS, _RESOLUTION_UNIT = (282, 283), 296  # across and down
_MICROMETRE = ("µm", "um", "micron", "microns", "micrometer")
_UNIT_UM = {**dict.fromkeys(_MICROMETRE, 1.0), "nm": 1e-3, "mm": 1e3, "cm": 1e4}


def measure(file: Any, page: Any, number: int, stored: Stored, reduced: float) -> None:
    """Note pixel size, objective and significant bits as the file tells them.

    Args:
        file: of tifffile.
        page: the first of the picture's series.
        number: of the series in the file.
        stored: to note it in.
        reduced: how many pixels of the largest level make one in width.
    """
    across = down = math.nan
    if file.ome_metadata:
        root, found = _ome(file, number)
        across, down = (_told_um(found, f"PhysicalSize{axis}") for axis in "XY")
        stored.bits = int(found.get("SignificantBits", stored.bits))
        if (objective := root.find(".//{*}Objective")) is not None:
            stored.objective = float(objective.get("NominalMagnification", "nan"))
    elif page.description.startswith("Aperio"):
        facts = dict(re.findall(r"\|\s*(MPP|AppMag)\s*=\s*([\d.]+)", page.description))
        across = down = float(facts.get("MPP", "nan"))
        stored.objective = float(facts.get("AppMag", "nan"))
    else:
        unit = {2: 25400.0, 3: 10000.0}.get(page.tags.valueof(_RESOLUTION_UNIT), math.nan)
        if file.is_imagej:
            unit = _unit_um(str((file.imagej_metadata or {}).get("unit", "")))
        across, down = (unit * _per_pixel(page.tags.valueof(tag)) for tag in _RESOLUTIONS)
    note_pixel_size(stored, across * reduced, down * reduced)
    if stored.objective is not None and not stored.objective > 0:
        stored.objective = None


def _ome(file: Any, number: int) -> tuple[ElementTree.Element, ElementTree.Element]:
    """The metadata of an OME file, and of them what tells of the pixels of a series."""
    root = ElementTree.fromstring(file.ome_metadata)
    pixels = root.findall(".//{*}Pixels") or [ElementTree.Element("Pixels")]
    return root, pixels[min(number, len(pixels) - 1)]


def channels(file: Any, number: int) -> list[str]:
    """The names of the channels of a series where OME tells them; colours in small letters."""
    if not file.ome_metadata:
        return []
    channels = _ome(file, number)[1].findall("{*}Channel")
    told = [c.get("Name") or _RGBA.get(c.get("Color", ""), "") for c in channels]
    colours = {spelt: colour for colour in COLOURS for spelt in (colour, colour[0])}
    return [colours.get(name.strip().lower(), name) for name in told]


def _told_um(pixels: ElementTree.Element, name: str) -> float:
    return float(pixels.get(name, "nan")) * _unit_um(pixels.get(f"{name}Unit", "µm"))


def _unit_um(unit: str) -> float:
    """A unit of length in micrometres; NaN if it is none. ImageJ escapes what is not ASCII."""
    unit = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), unit)
    return _UNIT_UM.get(unit.strip().lower().replace("\u03bc", "µ"), math.nan)


def _per_pixel(resolution: Any) -> float:
    """Units to a pixel, by a tag of pixels to a unit; NaN without one."""
    told = isinstance(resolution, tuple) and all(resolution)
    return resolution[1] / resolution[0] if told else math.nan
