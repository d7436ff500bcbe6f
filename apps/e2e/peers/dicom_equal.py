"""Judges with pydicom what came back over DICOMweb against the files that were sent.

  dicom_equal.py files SENT GOT           every file of SENT is in GOT, equal element by element
  dicom_equal.py kept SENT GOT            the same of what WADO-RS gives as stored: Implicit VR and Big Endian come in
                                          Explicit VR Little Endian (PS3.18 8.7.3.5.2)
  dicom_equal.py pixels SENT GOT          the same, but written in another syntax: pixels are compared decoded
  dicom_equal.py json SENT FILE BASE_URL  the same of DICOM JSON; bulk data is fetched from BASE_URL
  dicom_equal.py frames FILE GOT          GOT/1, GOT/2, ... are the frames of FILE as it is encoded

Prints one JSON object: what was compared, and the differences found (at most 50).
"""

import json
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.filewriter import correct_ambiguous_vr

from dicom_judge import Judge

# Says how the text is encoded, which a rewritten object may do otherwise.
CHARACTER_SET = 0x00080005
PIXEL_DATA = 0x7FE00010
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
REWRITTEN = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.2")


def read(folder: str) -> dict[str, Dataset]:
    files = (pydicom.dcmread(path, force=True) for path in sorted(Path(folder).iterdir()) if path.is_file())
    return {dataset.SOPInstanceUID: dataset for dataset in files}


def pairs(judge: Judge, sent: dict[str, Dataset], got: dict[str, Dataset]):
    for uid in sorted(set(got) - set(sent)):
        judge.differs(uid, "was never sent")
    for uid, dataset in sent.items():
        if uid in got:
            judge.instances += 1
            yield uid, dataset, got[uid]
        else:
            judge.differs(uid, "did not come back")


def same(judge: Judge, uid: str, sent: Dataset, got: Dataset) -> None:
    if sent.file_meta.TransferSyntaxUID != got.file_meta.TransferSyntaxUID:
        judge.differs(uid, f"syntax became {got.file_meta.TransferSyntaxUID}")
    judge.datasets(sent, got, uid, set())


def rewritten(judge: Judge, uid: str, sent: Dataset, got: Dataset) -> None:
    if got.file_meta.TransferSyntaxUID != EXPLICIT_LITTLE_ENDIAN:
        judge.differs(uid, f"syntax is {got.file_meta.TransferSyntaxUID}")
    if PIXEL_DATA in sent and not (sent.pixel_array == got.pixel_array).all():
        judge.differs(uid, "the pixels are others")
    judge.datasets(sent, got, uid, {CHARACTER_SET, PIXEL_DATA})


def files(judge: Judge, sent_folder: str, got_folder: str) -> None:
    for uid, sent, got in pairs(judge, read(sent_folder), read(got_folder)):
        same(judge, uid, sent, got)


def kept(judge: Judge, sent_folder: str, got_folder: str) -> None:
    for uid, sent, got in pairs(judge, read(sent_folder), read(got_folder)):
        if sent.file_meta.TransferSyntaxUID not in REWRITTEN:
            same(judge, uid, sent, got)
            continue
        # Implicit VR says "US or SS" where the other object says which (PS3.5 A.1).
        if sent.file_meta.TransferSyntaxUID.is_implicit_VR:
            correct_ambiguous_vr(sent, True)
        rewritten(judge, uid, sent, got)


def pixels(judge: Judge, sent_folder: str, got_folder: str) -> None:
    for uid, sent, got in pairs(judge, read(sent_folder), read(got_folder)):
        if PIXEL_DATA not in sent:
            judge.differs(uid, "it was sent without pixels")
        rewritten(judge, uid, sent, got)


def json_model(judge: Judge, sent_folder: str, path: str, base_url: str) -> None:
    def bulk(tag: str, vr: str, uri: str):
        # Clients open it as it is: one without scheme and host is none to them.
        if not uri.startswith(f"{base_url}/"):
            judge.differs(tag, f"the bulk data URI does not begin with {base_url}/")
        request = urllib.request.Request(
            urllib.parse.urljoin(base_url, uri), headers={"Accept": "application/octet-stream; transfer-syntax=*"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.read()

    datasets = [Dataset.from_json(one, bulk_data_uri_handler=bulk) for one in json.loads(Path(path).read_text())]
    got = {dataset.SOPInstanceUID: dataset for dataset in datasets}
    for uid, sent, dataset in pairs(judge, read(sent_folder), got):
        judge.datasets(sent, dataset, uid, {CHARACTER_SET})


def frames(judge: Judge, path: str, got_folder: str) -> None:
    sent = pydicom.dcmread(path)
    judge.instances = 1
    count = int(sent.get("NumberOfFrames", 1))
    for number, frame in enumerate(generate_frames(sent.PixelData, number_of_frames=count), start=1):
        judge.elements += 1
        if (Path(got_folder) / str(number)).read_bytes() != frame:
            judge.differs(str(number), "the frame is another")


judge = Judge()
{"files": files, "kept": kept, "pixels": pixels, "json": json_model, "frames": frames}[sys.argv[1]](judge, *sys.argv[2:])
print(json.dumps(vars(judge)))
