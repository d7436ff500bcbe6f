"""Renders stored samples by what pydicom makes of their object: grey or RGB, 8 bits a sample.

In: JSON, one entry a frame: the object's path, the frame's number from 1, its samples (base64, little-endian, colour by
pixel) and their numpy type; or an image file (base64), which Pillow opens. Out: JSON, for each the kind of picture and its
samples, or an error.
"""

import base64
import copy
import io
import json
import sys

import numpy
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.pixels.processing import (
    apply_color_lut,
    apply_modality_lut,
    apply_presentation_lut,
    apply_voi_lut,
    apply_windowing,
    convert_color_space,
)


def of_frame(dataset, number):
    """A copy whose dataset has what functional groups say of one frame, which pydicom does not look for."""
    flat = Dataset()
    flat.file_meta = dataset.file_meta
    for element in dataset:
        if element.tag.group != 0x7FE0:
            flat[element.tag] = copy.copy(element)
    macros = {
        "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept"),
        "FrameVOILUTSequence": ("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence"),
    }
    groups = [item for item in dataset.get("SharedFunctionalGroupsSequence") or []][:1]
    groups += [item for item in dataset.get("PerFrameFunctionalGroupsSequence") or []][number - 1 : number]
    for group in groups:
        for sequence, keywords in macros.items():
            if not group.get(sequence):
                continue
            for keyword in keywords:
                if keyword in flat:
                    delattr(flat, keyword)
                if keyword in group[sequence][0]:
                    setattr(flat, keyword, group[sequence][0][keyword].value)
    return flat


def stored(dataset, samples):
    """Without the bits that are not stored, and with the sign that the highest of those has."""
    bits = dataset.BitsStored
    if samples.dtype.kind == "f" or bits == dataset.BitsAllocated:
        return samples
    values = (samples.astype(numpy.int64) >> (dataset.HighBit + 1 - bits)) & (2**bits - 1)
    if dataset.PixelRepresentation == 1:
        values = numpy.where(values >= 2 ** (bits - 1), values - 2**bits, values)
    return values.astype(samples.dtype)


def padding(dataset, values):
    """Where padding is."""
    start = dataset.get("FloatPixelPaddingValue", dataset.get("PixelPaddingValue"))
    if start is None:
        return numpy.zeros(values.shape, dtype=bool)
    end = dataset.get("FloatPixelPaddingRangeLimit", dataset.get("PixelPaddingRangeLimit", start))
    return (values >= min(start, end)) & (values <= max(start, end))


def grey(dataset, samples):
    values = stored(dataset, samples)
    modality = apply_modality_lut(values, dataset)
    if dataset.get("VOILUTSequence"):
        bits = dataset.VOILUTSequence[0].LUTDescriptor[2]
        levels = apply_voi_lut(modality.astype(numpy.int64), dataset).astype(float) * 255 / (2**bits - 1)
    elif dataset.get("WindowWidth") is not None:
        levels = apply_windowing(modality, dataset)
        # Its output spans what the pixels could be, which the ends of the window tell.
        low, high = apply_windowing(numpy.array([-1e15, 1e15]), dataset)
        levels = (levels - low) / (high - low) * 255
    else:
        everything = modality[~padding(dataset, values)]
        is_screen = dataset.BitsStored <= 8 or dataset.get("PresentationIntentType") == "FOR PRESENTATION"
        if is_screen and values.dtype.kind != "f":
            signed = dataset.PixelRepresentation == 1
            bits = dataset.BitsStored
            ends = [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] if signed else [0, 2**bits - 1]
            everything = apply_modality_lut(numpy.array(ends), dataset)
        low, high = float(everything.min()), float(everything.max())
        levels = numpy.clip((modality.astype(float) - low) / ((high - low) or 1) * 255, 0, 255)
    if "PresentationLUTShape" in dataset:
        # It inverts from the greatest level there is: from white, which is added for that.
        return apply_presentation_lut(numpy.append(levels, 255.0), dataset)[:-1]
    return 255 - levels if dataset.PhotometricInterpretation == "MONOCHROME1" else levels


def palette(dataset, samples):
    colours = apply_color_lut(stored(dataset, samples).astype(numpy.int64), dataset)[:, :3]
    return colours >> 8 if colours.dtype == numpy.uint16 else colours


def colour(dataset, samples, space):
    values = samples.reshape(-1, 3)
    if space.startswith("YBR_FULL"):
        return convert_color_space(values, space, "RGB")
    return numpy.round(stored(dataset, values).astype(float) * 255 / (2**dataset.BitsStored - 1))


def render(asked):
    dataset = of_frame(dcmread(asked["path"]), asked["frame"])
    samples = numpy.frombuffer(base64.b64decode(asked["samples"]), dtype=asked["type"])
    space = asked["photometric"]
    if dataset.SamplesPerPixel == 3:
        return "rgb8", colour(dataset, samples, space)
    return ("rgb8", palette(dataset, samples)) if space == "PALETTE COLOR" else ("gray8", grey(dataset, samples))


def answer(asked):
    if "image" in asked:
        with Image.open(io.BytesIO(base64.b64decode(asked["image"]))) as image:
            image.load()
            kind = {"L": "gray8", "RGB": "rgb8"}[image.mode]
            return kind, numpy.asarray(image)
    return render(asked)


answers = []
for one in json.load(sys.stdin):
    try:
        kind, values = answer(one)
        rounded = numpy.floor(numpy.asarray(values, dtype=float) + 0.5).astype("u1")
        answers.append({"kind": kind, "samples": base64.b64encode(rounded.tobytes()).decode()})
    except Exception as error:  # noqa: BLE001: whatever it says is the answer
        answers.append({"error": f"{type(error).__name__}: {error}"})
json.dump(answers, sys.stdout)
