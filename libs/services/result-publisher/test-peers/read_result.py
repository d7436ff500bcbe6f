"""Reads a SEG and an SR with pydicom and highdicom, and prints what they say as one JSON object.

usage: read_result.py SEG SR SOURCE...
The geometry of the SEG is compared with the source slices voxel by voxel: each segment is given back as its
voxel count, its centroid in patient coordinates (LPS, millimetres) and its volume.
"""
import json
import sys

import highdicom as hd
import numpy as np
import pydicom


def segments(seg, sources):
    by_uid = {str(source.SOPInstanceUID): source for source in sources}
    found = {}
    for number in seg.segment_numbers:
        description = seg.get_segment_description(number)
        voxels = 0
        total = np.zeros(3)
        refs = []
        for index, frame in enumerate(seg.PerFrameFunctionalGroupsSequence):
            if frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber != number:
                continue
            uid = str(frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID)
            refs.append(uid)
            source = by_uid[uid]
            position = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
            if not np.allclose(position, np.array(source.ImagePositionPatient, dtype=float), atol=1e-6):
                raise SystemExit(f"frame {index + 1} is not where its source slice {uid} is")
            shared = seg.SharedFunctionalGroupsSequence[0]
            orientation = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, dtype=float)
            spacing = np.array(shared.PixelMeasuresSequence[0].PixelSpacing, dtype=float)
            mask = seg.get_stored_frame(index + 1) if hasattr(seg, "get_stored_frame") else seg.pixel_array[index]
            rows, columns = np.nonzero(mask)
            points = (
                position
                + np.outer(columns * spacing[1], orientation[:3])
                + np.outer(rows * spacing[0], orientation[3:])
            )
            voxels += len(rows)
            total += points.sum(axis=0)
        laterality = None
        modifiers = description.SegmentedPropertyTypeCodeSequence[0].get("SegmentedPropertyTypeModifierCodeSequence")
        if modifiers:
            laterality = modifiers[0].CodeValue
        found[str(number)] = {
            "label": description.segment_label,
            "category": description.segmented_property_category.value,
            "type": description.segmented_property_type.value,
            "laterality": laterality,
            "algorithm": description.algorithm_identification.name,
            "algorithmType": str(description.algorithm_type.value),
            "trackingUid": str(description.tracking_uid),
            "voxels": voxels,
            "centroid": [round(value, 4) for value in (total / max(voxels, 1)).tolist()],
            "sourceInstances": len(refs),
        }
    return found


def by_highdicom(seg, sources):
    """What highdicom itself gives back when asked for the source's slices: one count a segment."""
    pixels = seg.get_pixels_by_source_instance(
        [str(source.SOPInstanceUID) for source in sources], ignore_spatial_locations=False,
        assert_missing_frames_are_empty=True,
    )
    return {str(number): int(pixels[..., i].sum()) for i, number in enumerate(seg.segment_numbers)}


def groups(sr):
    report = sr.content
    given = []
    for group in report.get_volumetric_roi_measurement_groups() + report.get_image_measurement_groups():
        region = group.reference_type if hasattr(group, "reference_type") else None
        entry = {
            "trackingIdentifier": group.tracking_identifier,
            "trackingUid": str(group.tracking_uid),
            "finding": group.finding_type.value if group.finding_type else None,
            "category": group.finding_category.value if group.finding_category else None,
            "sites": [
                {"site": site.value.value, "laterality": site.laterality.value if site.laterality else None}
                for site in group.finding_sites
            ],
            "measurements": [
                {
                    "concept": m.name.value,
                    "value": m.value,
                    "unit": m.unit.value,
                    "unitScheme": m.unit.scheme_designator,
                }
                for m in group.get_measurements()
            ],
            "evaluations": [
                {"concept": e.name.value, "value": e.value.value} for e in group.get_qualitative_evaluations()
            ],
        }
        if region is not None:
            segment = group.referenced_segment
            entry["segment"] = {
                "sop": str(segment.referenced_sop_instance_uid),
                "number": [int(number) for number in segment.referenced_segment_numbers]
                if hasattr(segment, "referenced_segment_numbers")
                else segment.ReferencedSOPSequence[0].ReferencedSegmentNumber,
            }
        given.append(entry)
    return given


def texts(item, found):
    for child in item.get("ContentSequence", []):
        if child.ValueType == "TEXT" and child.ConceptNameCodeSequence[0].CodeValue == "121106":
            found.append(child.TextValue)
        texts(child, found)
    return found


def main():
    seg_path, sr_path, *source_paths = sys.argv[1:]
    sources = [pydicom.dcmread(path, stop_before_pixels=True) for path in source_paths]
    answer = {}
    if seg_path != "-":
        seg = hd.seg.segread(seg_path)
        answer["seg"] = {
            "sop": str(seg.SOPInstanceUID),
            "frames": int(seg.NumberOfFrames),
            "patientId": str(seg.PatientID),
            "segments": segments(seg, sources),
            "highdicomVoxels": by_highdicom(seg, sources),
        }
    sr = hd.sr.srread(sr_path)
    answer["sr"] = {
        "class": type(sr).__name__,
        "patientId": str(sr.PatientID),
        "groups": groups(sr),
        "comments": texts(sr, []),
        "observer": [
            context.observer_identifying_attributes.name
            for context in sr.content.get_observer_contexts()
        ],
        "evidence": [
            str(sop.ReferencedSOPInstanceUID)
            for study in sr.CurrentRequestedProcedureEvidenceSequence
            for series in study.ReferencedSeriesSequence
            for sop in series.ReferencedSOPSequence
        ],
    }
    json.dump(answer, sys.stdout)


main()
