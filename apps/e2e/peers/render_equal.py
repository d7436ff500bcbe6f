"""Judges pictures over DICOMweb by what pydicom makes of the same files, and DCMTK of some.

  render_equal.py BASE_URL FILE...

Of each file dicomweb-client retrieves rendered frames (the first and the middle one) and instances: PNG as the object says
and by windows of the request, JPEG and WebP; and a thumbnail. PNG is within one level of what pydicom decodes and renders;
files with loss and small pictures are close on average. Prints one JSON object: how many pictures were compared, and the
differences found (at most 50).
"""

import io
import json
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import numpy
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from pydicom import dcmread
from pydicom.pixels import pixel_array
from pydicom.pixels.processing import (
    apply_color_lut,
    apply_modality_lut,
    apply_presentation_lut,
    apply_windowing,
    convert_color_space,
)

WINDOWS = [(40, 400, "linear"), (-600, 1500, "linear"), (300.5, 700.25, "linear-exact"), (200, 350, "sigmoid")]
THUMBNAIL = 256


def one_frame(dataset, number):
    """Stored values of a frame, rows by columns (by samples)."""
    values = pixel_array(dataset, index=number - 1, raw=True)
    return numpy.asarray(values)


def window_of(dataset, number):
    """Center, width and function that the frame is shown with, where it or its object says so."""
    for group in (
        [dataset]
        + list(dataset.get("SharedFunctionalGroupsSequence") or [])[:1]
        + list(dataset.get("PerFrameFunctionalGroupsSequence") or [])[number - 1 : number]
    )[::-1]:
        macro = group if group is dataset else (group.get("FrameVOILUTSequence") or [None])[0]
        if macro is None or macro.get("WindowCenter") is None:
            continue
        first = lambda value: float(value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value)
        name = macro.get("VOILUTFunction", "LINEAR")
        return first(macro.WindowCenter), first(macro.WindowWidth), name.lower().replace("_", "-")
    return None


def grey(dataset, values, window):
    modality = apply_modality_lut(values, dataset).astype(float)
    if window:
        center, width, name = window
        low, high = center - width / 2, center + width / 2
        if name == "linear":
            center, width = center - 0.5, width - 1
            low, high = center - width / 2, center + width / 2
        if name == "sigmoid":
            levels = 255 / (1 + numpy.exp(-4 * (modality - center) / width))
        else:
            levels = numpy.clip((modality - low) / (high - low), 0, 1) * 255
    else:
        low, high = modality.min(), modality.max()
        if dataset.BitsStored <= 8:
            low, high = (float(end) for end in apply_modality_lut(numpy.array([0, 2**dataset.BitsStored - 1]), dataset))
        levels = (modality - low) / ((high - low) or 1) * 255
    if dataset.get("PresentationLUTShape") == "INVERSE" or (
        "PresentationLUTShape" not in dataset and dataset.PhotometricInterpretation == "MONOCHROME1"
    ):
        levels = 255 - levels
    return levels


def expected(dataset, number, window=None):
    values = one_frame(dataset, number)
    space = dataset.PhotometricInterpretation
    if space == "PALETTE COLOR":
        colours = apply_color_lut(values, dataset)[..., :3]
        return (colours >> 8 if colours.dtype == numpy.uint16 else colours).astype(float)
    if dataset.SamplesPerPixel == 3:
        if space.startswith("YBR_FULL"):
            return convert_color_space(values, space, "RGB").astype(float)
        return numpy.round(values.astype(float) * 255 / (2**dataset.BitsStored - 1))
    return grey(dataset, values, window or window_of(dataset, number))


class Judge:
    def __init__(self, base_url):
        self.base_url = base_url
        self.client = DICOMwebClient(base_url)
        self.pictures = 0
        self.differences = []

    def differs(self, where, what):
        if len(self.differences) < 50:
            self.differences.append(f"{where}: {what}")

    def levels(self, where, data, kind):
        image = Image.open(io.BytesIO(data))
        if image.format != kind:
            self.differs(where, f"is {image.format} and not {kind}")
        return numpy.asarray(image).astype(float)

    def exact(self, where, data, wanted):
        self.pictures += 1
        got = self.levels(where, data, "PNG")
        if got.shape != wanted.shape:
            self.differs(where, f"{got.shape} and not {wanted.shape}")
            return
        greatest = numpy.abs(got - numpy.floor(wanted + 0.5)).max()
        if greatest > 1:
            self.differs(where, f"differs by {greatest}")

    def close(self, where, data, wanted, kind, most):
        self.pictures += 1
        got = self.levels(where, data, kind)
        if got.ndim == 3 and wanted.ndim == 2:
            got = got.mean(axis=2)
        if got.shape != wanted.shape:
            self.differs(where, f"{got.shape} and not {wanted.shape}")
            return
        mean = numpy.abs(got - wanted).mean()
        if mean > most:
            self.differs(where, f"differs by {mean} on average")

    def file(self, path):
        dataset = dcmread(path)
        uids = (dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
        count = int(dataset.get("NumberOfFrames", 1))
        middle = (count + 1) // 2
        png = {"media_types": ("image/png",)}
        for number in sorted({1, middle}):
            wanted = expected(dataset, number)
            frame = self.client.retrieve_instance_frames_rendered(*uids, frame_numbers=[number], **png)
            self.exact(f"{path.name} frame {number}", frame, wanted)
        self.exact(f"{path.name} instance", self.client.retrieve_instance_rendered(*uids, **png), wanted)
        if dataset.SamplesPerPixel == 1 and dataset.PhotometricInterpretation != "PALETTE COLOR":
            for window in WINDOWS:
                params = {"window": ",".join(str(part) for part in window)}
                data = self.client.retrieve_instance_rendered(*uids, params=params, **png)
                self.exact(f"{path.name} window {window}", data, expected(dataset, middle, window))
        jpeg = self.client.retrieve_instance_rendered(*uids, media_types=("image/jpeg",), params={"quality": "95"})
        self.close(f"{path.name} jpeg", jpeg, wanted, "JPEG", 4)
        # The client knows no WebP: it is asked for by the parameter.
        webp = self.client.retrieve_instance_rendered(*uids, params={"quality": "95", "accept": "image/webp"})
        # Its chroma is half as fine as its luma: of a few pixels little is left.
        if min(wanted.shape[:2]) >= 16:
            self.close(f"{path.name} webp", webp, wanted, "WEBP", 4)
        self.thumbnail(path, uids, wanted)

    def thumbnail(self, path, uids, wanted):
        url = "{}/studies/{}/series/{}/instances/{}/thumbnail".format(self.base_url, *uids)
        request = urllib.request.Request(url, headers={"accept": "image/png"})
        with urllib.request.urlopen(request) as answer:
            data = answer.read()
        width, height = Image.open(io.BytesIO(data)).size
        rows, columns = wanted.shape[:2]
        scale = THUMBNAIL / max(rows, columns)
        if (width, height) != (max(1, round(columns * scale)), max(1, round(rows * scale))):
            self.differs(f"{path.name} thumbnail", f"is {width} by {height}")
            return
        if scale > 1:
            return
        whole = Image.fromarray(numpy.clip(wanted, 0, 255).astype("u1"))
        self.close(f"{path.name} thumbnail", data, numpy.asarray(whole.resize((width, height), Image.BOX)), "PNG", 2)

    def dcmtk(self, path):
        """DCMTK's window of one object, its own decoder and all."""
        dataset = dcmread(path, stop_before_pixels=True)
        uids = (dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
        for center, width, name in WINDOWS[:2]:
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "picture.png"
                window = ["+Ww", str(center), str(width)]
                subprocess.run(["dcmj2pnm", "+on", *window, str(path), str(out)], check=True, capture_output=True)
                wanted = numpy.asarray(Image.open(out)).astype(float)
            params = {"window": f"{center},{width},{name}"}
            data = self.client.retrieve_instance_rendered(*uids, media_types=("image/png",), params=params)
            self.exact(f"{path.name} as DCMTK's {window}", data, wanted)


def main():
    judge = Judge(sys.argv[1])
    for name in sys.argv[2:]:
        path = Path(name)
        try:
            judge.dcmtk(Path(name[6:])) if name.startswith("dcmtk:") else judge.file(path)
        except Exception as error:  # noqa: BLE001: whatever it says is the answer
            judge.differs(path.name, f"{type(error).__name__}: {error}")
    json.dump({"pictures": judge.pictures, "differences": judge.differences}, sys.stdout)


main()
