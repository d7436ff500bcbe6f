"""Reads the SEG and SR of a study with highdicom, and compares the segments with the truth in patient space.

  judge_results.py SEG SR SOURCE_FOLDER [--truth FILE] [--reference SEG]

SOURCE_FOLDER holds the source series. FILE is the truth of a phantom: JSON with one entry a source instance,
{SOPInstanceUID: base64 of a label a pixel}, labels 1 (right lung) and 2 (left lung). SEG of --reference is compared as
one structure.

Prints one JSON object: segments with their codes, centroids in LPS and Dice; measurements with values and units.
"""

import argparse
import base64
import json
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom


def affine(dataset) -> np.ndarray:
    """Index (column, row) of one slice to LPS millimetres (PS3.3 C.7.6.2.1.1)."""
    row, column = (np.array([float(v) for v in dataset.ImageOrientationPatient[i : i + 3]]) for i in (0, 3))
    between_rows, between_columns = (float(v) for v in dataset.PixelSpacing)
    origin = np.array([float(v) for v in dataset.ImagePositionPatient])
    return np.column_stack([row * between_columns, column * between_rows, origin])


def read_series(folder: str) -> dict:
    datasets = (pydicom.dcmread(path) for path in Path(folder).iterdir())
    return {dataset.SOPInstanceUID: dataset for dataset in datasets}


def masks(seg, uids: list[str]) -> dict[int, np.ndarray]:
    """By segment number: instance x row x column, in the order of `uids`, as highdicom lays them over the source."""
    numbers = list(seg.segment_numbers)
    pixels = seg.get_pixels_by_source_instance(
        source_sop_instance_uids=uids, segment_numbers=numbers, assert_missing_frames_are_empty=True
    )
    return {number: pixels[..., i] > 0 for i, number in enumerate(numbers)}


def frames_lie_where_their_sources_do(seg, source: dict) -> bool:
    """The plane position and orientation of each frame are those of the slice it refers to."""
    shared = seg.SharedFunctionalGroupsSequence[0]
    for frame in seg.PerFrameFunctionalGroupsSequence:
        slice_ = source[frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID]
        holder = frame if "PlaneOrientationSequence" in frame else shared
        orientation = holder.PlaneOrientationSequence[0].ImageOrientationPatient
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        measures = (frame if "PixelMeasuresSequence" in frame else shared).PixelMeasuresSequence[0]
        if not np.allclose(np.array(position, float), np.array(slice_.ImagePositionPatient, float), atol=1e-3):
            return False
        if not np.allclose(np.array(orientation, float), np.array(slice_.ImageOrientationPatient, float), atol=1e-5):
            return False
        if not np.allclose(np.array(measures.PixelSpacing, float), np.array(slice_.PixelSpacing, float), atol=1e-5):
            return False
    return True


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * np.logical_and(one, other).sum() / max(1, one.sum() + other.sum()))


def centroid(mask: np.ndarray, uids: list[str], source: dict) -> list[float]:
    total, count = np.zeros(3), 0
    for plane, uid in zip(mask, uids):
        rows, columns = np.nonzero(plane)
        if len(rows):
            points = affine(source[uid]) @ np.vstack([columns, rows, np.ones(len(rows))])
            total, count = total + points.sum(axis=1), count + len(rows)
    return (total / max(1, count)).tolist()


def code(item) -> str:
    return f"{item.CodingSchemeDesignator}:{item.CodeValue}"


def describe(item) -> dict:
    modifiers = item.SegmentedPropertyTypeCodeSequence[0].get("SegmentedPropertyTypeModifierCodeSequence", [])
    return {
        "number": int(item.SegmentNumber),
        "label": item.SegmentLabel,
        "type": code(item.SegmentedPropertyTypeCodeSequence[0]),
        "modifiers": [code(one) for one in modifiers],
        "algorithm": item.SegmentAlgorithmType,
    }


def measurements(node, found: list) -> list:
    """Every NUM of the tree with its name, value and unit."""
    for item in node.get("ContentSequence", []):
        if item.ValueType == "NUM" and item.get("MeasuredValueSequence"):
            value = item.MeasuredValueSequence[0]
            unit = value.MeasurementUnitsCodeSequence[0]
            found.append(
                {
                    "name": code(item.ConceptNameCodeSequence[0]),
                    "value": float(value.NumericValue),
                    "unit": unit.CodeValue,
                    "unitScheme": unit.CodingSchemeDesignator,
                }
            )
        measurements(item, found)
    return found


def texts(node, found: list) -> list:
    for item in node.get("ContentSequence", []):
        if item.ValueType == "TEXT":
            found.append(item.TextValue)
        texts(item, found)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("seg")
    parser.add_argument("sr")
    parser.add_argument("source")
    parser.add_argument("--truth")
    parser.add_argument("--reference")
    arguments = parser.parse_args()

    seg = hd.seg.segread(arguments.seg)
    report = hd.sr.srread(arguments.sr)
    source = read_series(arguments.source)
    uids = sorted(source)
    found = masks(seg, uids)
    segments = []
    for item in seg.SegmentSequence:
        mask = found[int(item.SegmentNumber)]
        segments.append({**describe(item), "centroid": centroid(mask, uids, source), "voxels": int(mask.sum())})
    if arguments.truth:
        planes = json.loads(Path(arguments.truth).read_text())
        shape = found[segments[0]["number"]].shape[1:]
        truth = np.stack([np.frombuffer(base64.b64decode(planes[uid]), np.uint8).reshape(shape) for uid in uids])
        for segment in segments:
            mask = found[segment["number"]]
            segment["dice"] = {"right": dice(mask, truth == 1), "left": dice(mask, truth == 2)}
    both = np.logical_or.reduce(list(found.values()))
    out = {
        "segments": segments,
        "framesLieWhereTheirSourcesDo": frames_lie_where_their_sources_do(seg, source),
        "measurementGroups": len(report.content.get_volumetric_roi_measurement_groups()),
        "measurements": measurements(report, []),
        "texts": texts(report, []),
        "patient": {"seg": [seg.PatientID, str(seg.PatientName)], "sr": [report.PatientID, str(report.PatientName)]},
        "sameFrameOfReference": all(one.FrameOfReferenceUID == seg.FrameOfReferenceUID for one in source.values()),
    }
    if arguments.reference:
        other = reference_mask(pydicom.dcmread(arguments.reference), uids, both.shape)
        out["referenceDice"] = dice(both, other)
    print(json.dumps(out))


def reference_mask(dataset, uids: list[str], shape) -> np.ndarray:
    """Without highdicom's reader, which fails on a one-segment SEG of highdicom 0.28.2."""
    mask = np.zeros(shape, bool)
    frames = dataset.pixel_array.reshape(-1, *shape[1:])
    for frame, groups in zip(frames, dataset.PerFrameFunctionalGroupsSequence):
        uid = groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        mask[uids.index(uid)] |= frame > 0
    return mask


main()
