"""Copies DICOM files into a folder so that each is an object of its own, which an archive keeps beside the others.

  own_uids.py OUT FILE...

One whose SOP Instance UID another file before it has, or that names no study or series, gets UIDs made of its name; all
others are copied byte by byte. Pixels stay as they are encoded.
"""

import shutil
import sys
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import generate_uid

out = Path(sys.argv[1])
seen = set()
for name in sys.argv[2:]:
    path = Path(name)
    dataset = dcmread(path)
    needed = [keyword for keyword in ("StudyInstanceUID", "SeriesInstanceUID") if not dataset.get(keyword)]
    if dataset.SOPInstanceUID in seen:
        needed.append("SOPInstanceUID")
    if needed:
        for keyword in needed:
            setattr(dataset, keyword, generate_uid(entropy_srcs=[path.name, keyword]))
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(out / path.name)
    else:
        shutil.copyfile(path, out / path.name)
    seen.add(dataset.SOPInstanceUID)
