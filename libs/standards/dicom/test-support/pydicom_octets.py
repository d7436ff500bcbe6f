"""Judges decoded frames by pydicom: how far octets are from what it decodes of the same object; one line of JSON a pair.

  pydicom_octets.py FILE OCTETS...    FILE is an object of one frame, OCTETS what was given for that frame

Octets are read by the attributes of FILE alone, but for what has no uncompressed form: three samples a pixel where it
says YBR_FULL_422.
"""

import json
import sys
from pathlib import Path

import numpy
from pydicom import dcmread
from pydicom.pixels import pixel_array


def octets(dataset, path):
    kind = f"<{'i' if dataset.PixelRepresentation == 1 else 'u'}{dataset.BitsAllocated // 8}"
    samples = numpy.frombuffer(Path(path).read_bytes(), dtype=kind)
    size = (dataset.Rows, dataset.Columns)
    if dataset.SamplesPerPixel == 1:
        return samples.reshape(size)
    if dataset.PlanarConfiguration == 1:
        return samples.reshape((dataset.SamplesPerPixel, *size)).transpose(1, 2, 0)
    return samples.reshape((*size, dataset.SamplesPerPixel))


arguments = iter(sys.argv[1:])
for path, given in zip(arguments, arguments):
    dataset = dcmread(path)
    expected = pixel_array(dataset, raw=True).astype("i4")
    difference = numpy.abs(octets(dataset, given).astype("i4") - expected)
    answer = {"path": path, "most": int(difference.max()), "mean": round(float(difference.mean()), 3)}
    print(json.dumps({**answer, "photometric": dataset.PhotometricInterpretation}), flush=True)
