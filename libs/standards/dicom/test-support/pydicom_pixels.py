"""Reads DICOM files with pydicom; one line of JSON a file: digest of the stored pixels as int32, private elements, errors."""

import hashlib
import io
import json
import sys

import numpy
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.pixels import pixel_array
from pydicom.uid import HTJ2KLossless


def pixels(dataset):
    """Stored values; Pillow's OpenJPEG reads HTJ2K, which pydicom does not ask it to."""
    if dataset.file_meta.TransferSyntaxUID != HTJ2KLossless:
        return pixel_array(dataset, raw=True)
    count = int(dataset.get("NumberOfFrames", 1))
    frames = [
        numpy.asarray(Image.open(io.BytesIO(frame))) for frame in generate_frames(dataset.PixelData, number_of_frames=count)
    ]
    values = numpy.stack(frames)
    if dataset.PixelRepresentation == 1 and values.dtype == numpy.uint16:
        # Pillow gives signed samples with half of their range added.
        values = values.astype(numpy.int32) - 32768
    return values


def private(dataset):
    """Tag and value of every private element, all levels, values as they stand in the file."""
    found = []

    def visit(_, element):
        if element.tag.is_private and element.VR != "SQ":
            value = element.value
            raw = bytes(value) if isinstance(value, (bytes, bytearray)) else str(value).encode("utf-8")
            found.append(f"{element.tag:08X}={hashlib.sha256(raw.rstrip(bytes([0, 32]))).hexdigest()}")

    dataset.walk(visit)
    return sorted(found)


for path in sys.argv[1:]:
    answer = {"path": path}
    try:
        read = dcmread(path)
        answer["transferSyntax"] = read.file_meta.TransferSyntaxUID
        answer["photometric"] = read.get("PhotometricInterpretation")
        answer["private"] = private(read)
        stored = numpy.ascontiguousarray(pixels(read))
        answer["pixels"] = hashlib.sha256(stored.astype("<i4").tobytes()).hexdigest()
    except Exception as error:  # noqa: BLE001: whatever it says is the answer
        answer["error"] = f"{type(error).__name__}: {error}"
    print(json.dumps(answer), flush=True)
