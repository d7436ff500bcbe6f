"""Decodes the first frame of a file whose frames are JPEG 2000 or HTJ2K, by Pillow's OpenJPEG.

  decode_htj2k.py FILE OUT

Writes its octets, colour by pixel.
"""

import io
import sys
from pathlib import Path

import numpy
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import generate_frames

dataset = dcmread(sys.argv[1])
frame = next(iter(generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames", 1)))))
Path(sys.argv[2]).write_bytes(numpy.ascontiguousarray(Image.open(io.BytesIO(frame))).tobytes())
