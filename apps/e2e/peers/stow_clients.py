"""Stores with other people's clients, and says what the origin server answered.

  stow_clients.py client URL FOLDER            dicomweb-client: all files of FOLDER, twice, and under another study
  stow_clients.py metadata URL FOLDER SAID     pydicom: each file as DICOM JSON and bulk data, frames each in a part; the
                                               transfer syntax is SAID by the `part`, by the `metadata`, or by `neither`;
                                               what WADO-RS gives of it is compared, element by element, frame by frame

URL ends with /dicom-web. Prints one JSON object.
"""

import json
import sys
import urllib.error
import urllib.request
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments, generate_frames
from pydicom.uid import generate_uid

from dicom_judge import Judge

PIXEL_DATA = 0x7FE00010
CHARACTER_SET = 0x00080005
EXPLICIT = "1.2.840.10008.1.2.1"
BOUNDARY = "a-boundary-of-pydicom"
TYPES = {
    "image/dicom-rle": ["5"],
    "image/jpeg": ["4.50", "4.51", "4.57", "4.70"],
    "image/jls": ["4.80", "4.81"],
    "image/jp2": ["4.90", "4.91"],
    "image/jphc": ["4.201", "4.202", "4.203"],
    "video/mpeg2": ["4.100", "4.101"],
    "video/mp4": ["4.102", "4.103", "4.104", "4.105", "4.106"],
}
TYPE_OF = {f"1.2.840.10008.1.2.{last}": media for media, lasts in TYPES.items() for last in lasts}


def read(folder: str) -> list[Dataset]:
    return [pydicom.dcmread(path, force=True) for path in sorted(Path(folder).iterdir()) if path.suffix == ".dcm"]


def items(dataset: Dataset, keyword: str) -> list[dict]:
    found = []
    for item in getattr(dataset, keyword, []):
        uid = getattr(item, "ReferencedSOPInstanceUID", None)
        found.append({"uid": uid, "reason": getattr(item, "FailureReason", None), "url": getattr(item, "RetrieveURL", None)})
    return found


def told(dataset: Dataset) -> dict:
    return {
        "url": getattr(dataset, "RetrieveURL", None),
        "referenced": items(dataset, "ReferencedSOPSequence"),
        "failed": items(dataset, "FailedSOPSequence"),
    }


def client(url: str, folder: str) -> dict:
    from dicomweb_client.web import DICOMwebClient

    datasets = read(folder)
    web = DICOMwebClient(url)
    first = told(web.store_instances(datasets))
    again = told(web.store_instances(datasets, datasets[0].StudyInstanceUID))
    try:
        elsewhere = told(web.store_instances(datasets[:1], generate_uid()))
    except Exception as error:  # requests' HTTPError, which the client lets through
        response = error.response
        elsewhere = {"status": response.status_code, **told(Dataset.from_json(response.text))}
    return {"first": first, "again": again, "elsewhere": elsewhere, "uids": [one.SOPInstanceUID for one in datasets]}


def frames_of(dataset: Dataset) -> list[bytes]:
    """One a frame; of a video all fragments as the one stream they are."""
    count = int(dataset.get("NumberOfFrames", 1))
    media = TYPE_OF[dataset.file_meta.TransferSyntaxUID]
    if media.startswith("video/"):
        fragments = list(generate_fragments(dataset.PixelData))
        return [b"".join(fragments[1:])]
    return list(generate_frames(dataset.PixelData, number_of_frames=count))


def parts_of(dataset: Dataset, said: str) -> list[tuple[dict, bytes]]:
    values: dict[str, tuple[str, bytes]] = {}

    def located(element) -> str:
        location = f"bulk/{len(values)}"
        values[location] = (element.tag, element.value)
        return location

    model = dataset.to_json_dict(bulk_data_threshold=64, bulk_data_element_handler=located)
    syntax = dataset.file_meta.TransferSyntaxUID
    if said == "metadata":
        model["00020010"] = {"vr": "UI", "Value": [syntax]}
    parts = [({"Content-Type": "application/dicom+json"}, json.dumps([model]).encode())]
    for location, (tag, value) in values.items():
        headers = {"Content-Type": "application/octet-stream", "Content-Location": location}
        if tag == PIXEL_DATA and syntax in TYPE_OF:
            headers["Content-Type"] = TYPE_OF[syntax] + (f"; transfer-syntax={syntax}" if said == "part" else "")
            parts += [({**headers, "Content-Length": str(len(frame))}, frame) for frame in frames_of(dataset)]
        else:
            parts.append((headers, value))
    return parts


def post(url: str, parts: list[tuple[dict, bytes]]) -> tuple[int, str]:
    body = BytesIO()
    for headers, value in parts:
        lines = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
        body.write(f"--{BOUNDARY}\r\n{lines}\r\n".encode() + value + b"\r\n")
    body.write(f"--{BOUNDARY}--\r\n".encode())
    content_type = f'multipart/related; type="application/dicom+json"; boundary={BOUNDARY}'
    request = urllib.request.Request(
        f"{url}/studies",
        data=body.getvalue(),
        headers={"Content-Type": content_type, "Accept": "application/dicom+json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def retrieved(url: str, dataset: Dataset) -> Dataset:
    path = f"studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}/instances/{dataset.SOPInstanceUID}"
    request = urllib.request.Request(f"{url}/{path}", headers={"Accept": "application/dicom; transfer-syntax=*"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return pydicom.dcmread(BytesIO(response.read()))


def rounded(dataset: Dataset) -> Dataset:
    """A number of DICOM JSON has more digits than the 16 characters of a DS, which are what is kept of it (PS3.5 6.2)."""
    for element in dataset.iterall():
        if element.VR == "DS" and element.value not in (None, ""):
            several = isinstance(element.value, pydicom.multival.MultiValue)
            values = [f"{float(one):.10g}" for one in (element.value if several else [element.value])]
            element.value = values if several else values[0]
    return dataset


def compare(judge: Judge, name: str, sent: Dataset, got: Dataset, exact: bool) -> None:
    wanted = sent.file_meta.TransferSyntaxUID
    if exact and got.file_meta.TransferSyntaxUID != (wanted if wanted in TYPE_OF else EXPLICIT):
        judge.differs(name, f"{wanted} became {got.file_meta.TransferSyntaxUID}")
    judge.instances += 1
    judge.datasets(rounded(sent), rounded(got), name, {CHARACTER_SET, PIXEL_DATA})
    if PIXEL_DATA not in sent or got.file_meta.TransferSyntaxUID.is_compressed != (wanted in TYPE_OF):
        return
    pixels = [frames_of(one) if wanted in TYPE_OF else [one.PixelData] for one in (sent, got)]
    padded = [[frame + b"\0" * (len(frame) % 2) for frame in frames] for frames in pixels]
    if padded[0] != padded[1]:
        judge.differs(name, f"{len(pixels[0])} frames became {len(pixels[1])}, or others")


def metadata(url: str, folder: str, said: str) -> dict:
    judge = Judge()
    for dataset in read(folder):
        # As its own, so that nothing is known already.
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=[dataset.SOPInstanceUID, said])
        name = f"{dataset.SOPInstanceUID} ({dataset.file_meta.TransferSyntaxUID.name})"
        status, answer = post(url, parts_of(dataset, said))
        if status != 200:
            judge.differs(name, f"is answered {status}: {answer[:200]}")
            continue
        compare(judge, name, dataset, retrieved(url, dataset), said != "neither")
    return {"instances": judge.instances, "elements": judge.elements, "differences": judge.differences}


modes = {"client": client, "metadata": metadata}
print(json.dumps(modes[sys.argv[1]](*sys.argv[2:])))
