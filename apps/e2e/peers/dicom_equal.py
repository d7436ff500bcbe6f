"""Judges with pydicom what came back over DICOMweb against the files that were sent.

  dicom_equal.py files SENT GOT           every file of SENT is in GOT, equal element by element
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
from pydicom.valuerep import DSdecimal, DSfloat

# Says how the text is encoded, which a rewritten object may do otherwise.
CHARACTER_SET = 0x00080005
PIXEL_DATA = 0x7FE00010


class Judge:
    def __init__(self) -> None:
        self.instances = 0
        self.elements = 0
        self.private = 0
        self.sequences = 0
        self.differences: list[str] = []

    def differs(self, where: str, what: str) -> None:
        if len(self.differences) < 50:
            self.differences.append(f"{where}: {what}")

    def datasets(self, sent: Dataset, got: Dataset, where: str, skipped: set[int]) -> None:
        sent_tags = {tag for tag in sent.keys() if tag.element != 0} - skipped
        got_tags = {tag for tag in got.keys() if tag.element != 0} - skipped
        for tag in sorted(sent_tags ^ got_tags):
            self.differs(f"{where} {tag}", "missing" if tag in sent_tags else "added")
        for tag in sorted(sent_tags & got_tags):
            self.element(sent[tag], got[tag], f"{where} {tag}", skipped)

    def element(self, sent, got, where: str, skipped: set[int]) -> None:
        self.elements += 1
        self.private += sent.tag.is_private
        if sent.VR != got.VR:
            self.differs(where, f"VR {sent.VR} became {got.VR}")
        elif sent.VR == "SQ":
            self.sequences += 1
            if len(sent.value) != len(got.value):
                self.differs(where, f"{len(sent.value)} items became {len(got.value)}")
            for i, (one, other) in enumerate(zip(sent.value, got.value)):
                self.datasets(one, other, f"{where}[{i}]", skipped)
        elif plain(sent.value) != plain(got.value):
            self.differs(where, f"the value ({sent.VR}) is another")


def plain(value):
    if isinstance(value, pydicom.multival.MultiValue):
        return [plain(one) for one in value]
    if isinstance(value, (DSfloat, DSdecimal)):
        return float(value)
    # An empty value is None, '' or b'' depending on where it was read from.
    return None if value in ("", b"") else value


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


def files(judge: Judge, sent_folder: str, got_folder: str) -> None:
    for uid, sent, got in pairs(judge, read(sent_folder), read(got_folder)):
        if sent.file_meta.TransferSyntaxUID != got.file_meta.TransferSyntaxUID:
            judge.differs(uid, f"syntax became {got.file_meta.TransferSyntaxUID}")
        judge.datasets(sent, got, uid, set())


def pixels(judge: Judge, sent_folder: str, got_folder: str) -> None:
    for uid, sent, got in pairs(judge, read(sent_folder), read(got_folder)):
        if got.file_meta.TransferSyntaxUID != "1.2.840.10008.1.2.1":
            judge.differs(uid, f"syntax is {got.file_meta.TransferSyntaxUID}")
        if not (sent.pixel_array == got.pixel_array).all():
            judge.differs(uid, "the pixels are others")
        judge.datasets(sent, got, uid, {CHARACTER_SET, PIXEL_DATA})


def json_model(judge: Judge, sent_folder: str, path: str, base_url: str) -> None:
    def bulk(_tag: str, vr: str, uri: str):
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
{"files": files, "pixels": pixels, "json": json_model, "frames": frames}[sys.argv[1]](judge, *sys.argv[2:])
print(json.dumps(vars(judge)))
