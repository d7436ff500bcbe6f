"""Asks an origin server with dicomweb-client, by every public method that its client has.

  dicomweb_client_calls.py URL FOLDER

FOLDER holds the files of one study, in Explicit VR Little Endian, each of its images with one frame. They are stored first, and what
comes back is held against them by pydicom. Prints one JSON object: `methods`, the public methods of the class as it is installed,
and `cases`, for each one that is tried "ok" or what was wrong. A method that has no case stands in `methods` alone.
"""

import inspect
import io
import json
import sys
import time
import traceback
from pathlib import Path

import pydicom
import requests
from dicomweb_client.web import DICOMwebClient
from PIL import Image
from pydicom.dataset import Dataset

from dicom_judge import Judge

URL, FOLDER = sys.argv[1:]
EXPLICIT = "1.2.840.10008.1.2.1"
PIXEL_DATA = 0x7FE00010
CHARACTER_SET = 0x00080005

client = DICOMwebClient(URL)
SENT = {one.SOPInstanceUID: one for one in map(pydicom.dcmread, sorted(Path(FOLDER).glob("*.dcm")))}
FIRST = next(one for one in SENT.values() if PIXEL_DATA in one)
STUDY, SERIES, INSTANCE = FIRST.StudyInstanceUID, FIRST.SeriesInstanceUID, FIRST.SOPInstanceUID
IN_SERIES = {uid: one for uid, one in SENT.items() if one.SeriesInstanceUID == SERIES}
SERIES_UIDS = {one.SeriesInstanceUID for one in SENT.values()}

cases = {}


def case(function):
    cases[function.__name__] = function
    return function


def check(is_so: bool, what: str) -> None:
    if not is_so:
        raise AssertionError(what)


def equal(got, sent: dict[str, Dataset]) -> None:
    """What came is what was sent, element by element, each once."""
    got = list(got)
    check(sorted(one.SOPInstanceUID for one in got) == sorted(sent), f"{len(got)} of {len(sent)} instances came")
    judge = Judge()
    for one in got:
        judge.datasets(sent[one.SOPInstanceUID], one, one.SOPInstanceUID, set())
    check(not judge.differences, "; ".join(judge.differences[:5]))


def equal_json(got, sent: dict[str, Dataset]) -> None:
    def bulk(tag: str, vr: str, uri: str):
        return bytes(client.retrieve_bulkdata(uri)[0])

    datasets = [Dataset.from_json(one, bulk_data_uri_handler=bulk) for one in got]
    check(sorted(one.SOPInstanceUID for one in datasets) == sorted(sent), f"{len(datasets)} of {len(sent)} came")
    judge = Judge()
    for one in datasets:
        judge.datasets(sent[one.SOPInstanceUID], one, one.SOPInstanceUID, {CHARACTER_SET})
    check(not judge.differences, "; ".join(judge.differences[:5]))


def value(found: dict, tag: str):
    return found.get(tag, {}).get("Value", [None])[0]


def values(found, tag: str) -> list:
    return sorted(value(one, tag) for one in found)


def eventually(what: str, probe):
    """What is stored is found when it has been indexed."""
    deadline = time.monotonic() + 30
    while True:
        found = probe()
        if found:
            return found
        check(time.monotonic() < deadline, f"not in 30 s: {what}")
        time.sleep(0.25)


def refused(status: int, call) -> requests.Response:
    try:
        call()
    except requests.HTTPError as error:
        check(error.response.status_code == status, f"{error.response.status_code}, not {status}")
        return error.response
    raise AssertionError(f"it was not refused with {status}")


# Storing comes first: the others ask for what it stored. Methods without a case of their own are told by the spec.


@case
def store_instances():
    answer = client.store_instances(list(SENT.values()))
    stored = sorted(one.ReferencedSOPInstanceUID for one in answer.ReferencedSOPSequence)
    check(stored == sorted(SENT), f"{len(stored)} of {len(SENT)} are said to be stored")
    check("FailedSOPSequence" not in answer, "some are said to have failed")
    answer = client.store_instances([FIRST], study_instance_uid=STUDY)
    check(len(answer.ReferencedSOPSequence) == 1, "one is not stored into its study")
    refused(409, lambda: client.store_instances([FIRST], study_instance_uid="2.25.1"))


@case
def search_for_studies():
    filters = {"StudyInstanceUID": STUDY}
    whole = lambda: [  # noqa: E731
        one for one in client.search_for_studies(search_filters=filters) if value(one, "00201208") == len(SENT)
    ]
    [found] = eventually("the whole study", whole)
    check(value(found, "0020000D") == STUDY, "another study is found")
    check(value(found, "00201206") == len(SERIES_UIDS), "the number of series is another")
    family = str(FIRST.PatientName).split("^")[0]
    for more in ({"PatientName": f"{family}*"}, {"00100020": FIRST.PatientID}, {"StudyDate": f"{FIRST.StudyDate}-"}):
        check(STUDY in values(client.search_for_studies(search_filters=more), "0020000D"), f"not found by {list(more)}")
    check(client.search_for_studies(search_filters={"PatientID": "NOBODY AT ALL"}) == [], "nobody is found")
    fuzzy = client.search_for_studies(fuzzymatching=True, search_filters={"PatientName": family[:3].lower()})
    check(STUDY in values(fuzzy, "0020000D"), "not found by the beginning of a word")
    [field] = client.search_for_studies(fields=["StudyID", "00081030"], search_filters=filters)
    check("00200010" in field, "a field that was asked for is missing")
    check(client.search_for_studies(limit=1, offset=1, search_filters=filters) == [], "one of one is skipped")


@case
def search_for_series():
    check(set(values(client.search_for_series(STUDY), "0020000E")) == SERIES_UIDS, "other series are found")
    [one] = client.search_for_series(search_filters={"SeriesInstanceUID": SERIES}, fields=["all"])
    check(value(one, "00080060") == FIRST.Modality, "the modality is another")
    check(value(one, "00201209") == len(IN_SERIES), "the number of instances is another")


@case
def search_for_instances():
    check(values(client.search_for_instances(STUDY), "00080018") == sorted(SENT), "other instances of the study")
    in_series = client.search_for_instances(STUDY, SERIES)
    check(values(in_series, "00080018") == sorted(IN_SERIES), "other instances of the series")
    [one] = client.search_for_instances(search_filters={"SOPInstanceUID": INSTANCE}, fields=["Rows", "BitsAllocated"])
    check(value(one, "00280010") == FIRST.Rows and value(one, "00280100") == 16, "fields of an image are missing")
    # Page by page, and all of them although each answer has a limit.
    pages = [client.search_for_instances(STUDY, limit=2, offset=at) for at in range(0, len(SENT), 2)]
    check(values([one for page in pages for one in page], "00080018") == sorted(SENT), "pages miss or repeat some")
    remaining = client.search_for_instances(STUDY, limit=2, get_remaining=True)
    check(values(remaining, "00080018") == sorted(SENT), "the remaining ones are not got")


@case
def retrieve_study():
    equal(client.retrieve_study(STUDY), SENT)
    equal(client.retrieve_study(STUDY, media_types=(("application/dicom", "*"),)), SENT)
    refused(404, lambda: client.retrieve_study("2.25.404"))


@case
def iter_study():
    equal(client.iter_study(STUDY), SENT)


@case
def retrieve_series():
    equal(client.retrieve_series(STUDY, SERIES), IN_SERIES)
    equal(client.retrieve_series(STUDY, SERIES, media_types=(("application/dicom", EXPLICIT),)), IN_SERIES)


@case
def iter_series():
    equal(client.iter_series(STUDY, SERIES), IN_SERIES)


@case
def retrieve_instance():
    equal([client.retrieve_instance(STUDY, SERIES, INSTANCE)], {INSTANCE: FIRST})
    for syntax in ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"):
        got = client.retrieve_instance(STUDY, SERIES, INSTANCE, media_types=(("application/dicom", syntax),))
        check(got.file_meta.TransferSyntaxUID == syntax, f"it comes in {got.file_meta.TransferSyntaxUID}, not {syntax}")


@case
def retrieve_study_metadata():
    equal_json(client.retrieve_study_metadata(STUDY), SENT)


@case
def retrieve_series_metadata():
    equal_json(client.retrieve_series_metadata(STUDY, SERIES), IN_SERIES)


@case
def retrieve_instance_metadata():
    got = client.retrieve_instance_metadata(STUDY, SERIES, INSTANCE)
    equal_json([got] if isinstance(got, dict) else got, {INSTANCE: FIRST})


@case
def retrieve_instance_frames():
    frames = client.retrieve_instance_frames(STUDY, SERIES, INSTANCE, frame_numbers=[1])
    check(frames == [FIRST.PixelData], "the frame is another")
    typed = client.retrieve_instance_frames(STUDY, SERIES, INSTANCE, [1], media_types=("application/octet-stream",))
    check(typed == [FIRST.PixelData], "the frame as octets is another")
    refused(404, lambda: client.retrieve_instance_frames(STUDY, SERIES, INSTANCE, frame_numbers=[2]))


@case
def iter_instance_frames():
    frames = list(client.iter_instance_frames(STUDY, SERIES, INSTANCE, frame_numbers=[1]))
    check(frames == [FIRST.PixelData], "the frame is another")


def bulk_data_uri() -> str:
    got = client.retrieve_instance_metadata(STUDY, SERIES, INSTANCE)
    return (got if isinstance(got, dict) else got[0])["7FE00010"]["BulkDataURI"]


@case
def retrieve_bulkdata():
    uri = bulk_data_uri()
    check(client.retrieve_bulkdata(uri) == [FIRST.PixelData], "the bulk data are others")
    # A range of a multipart may be ignored (RFC 9110 14.2); what is given is what it is said to be.
    [some] = client.retrieve_bulkdata(uri, media_types=("application/octet-stream",), byte_range=(2, 11))
    check(some in (FIRST.PixelData, FIRST.PixelData[2:12]), "a range gives something else")


@case
def iter_bulkdata():
    check(list(client.iter_bulkdata(bulk_data_uri())) == [FIRST.PixelData], "the bulk data are others")


def image(data: bytes, kind: str, columns: int = FIRST.Columns, rows: int = FIRST.Rows) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    check(picture.format == kind, f"it is {picture.format}, not {kind}")
    check(picture.size == (columns, rows), f"it has {picture.size} pixels")
    low, high = picture.convert("L").getextrema()
    check(high - low > 50, "it shows nothing")
    return picture


@case
def retrieve_instance_rendered():
    image(client.retrieve_instance_rendered(STUDY, SERIES, INSTANCE, media_types=("image/jpeg",)), "JPEG")
    plain = image(client.retrieve_instance_rendered(STUDY, SERIES, INSTANCE, media_types=("image/png",)), "PNG")
    window = {"window": "40,400,linear"}
    other = client.retrieve_instance_rendered(STUDY, SERIES, INSTANCE, media_types=("image/png",), params=window)
    check(image(other, "PNG").tobytes() != plain.tobytes(), "a window changes nothing")
    small = client.retrieve_instance_rendered(STUDY, SERIES, INSTANCE, ("image/png",), {"viewport": "64,64"})
    check(max(Image.open(io.BytesIO(small)).size) == 64, "a viewport of 64 has other pixels")


@case
def retrieve_instance_frames_rendered():
    one = client.retrieve_instance_frames_rendered(STUDY, SERIES, INSTANCE, [1], media_types=("image/png",))
    image(one[0] if isinstance(one, (list, tuple)) else one, "PNG")


@case
def retrieve_series_rendered():
    # The client hands on the body as it came: one picture an image, in a multipart (PS3.18 10.4.4).
    got = client.retrieve_series_rendered(STUDY, SERIES)
    check(got.lower().count(b"content-type: image/jpeg") == len(IN_SERIES), "not a picture of every image")
    refused(406, lambda: client.retrieve_series_rendered(STUDY, SERIES, media_types=("image/jpeg",)))


def not_deleted(call) -> None:
    answer = refused(405, call)
    check("DELETE" not in answer.headers["Allow"] and "GET" in answer.headers["Allow"], answer.headers["Allow"])
    equal(client.retrieve_study(STUDY), SENT)


@case
def delete_study():
    not_deleted(lambda: client.delete_study(STUDY))


@case
def delete_series():
    not_deleted(lambda: client.delete_series(STUDY, SERIES))


@case
def delete_instance():
    not_deleted(lambda: client.delete_instance(STUDY, SERIES, INSTANCE))


@case
def set_chunk_size():
    client.set_chunk_size(1_000)
    equal(client.iter_series(STUDY, SERIES), IN_SERIES)
    # Larger than a chunk: sent with Transfer-Encoding: chunked.
    answer = client.store_instances([FIRST])
    check(len(answer.ReferencedSOPSequence) == 1, "a chunked store is not taken")
    client.set_chunk_size(10**6)


@case
def set_http_retry_params():
    client.set_http_retry_params(retry=False)
    refused(404, lambda: client.retrieve_study("2.25.404"))
    client.set_http_retry_params()


@case
def lookup_keyword():
    [found] = client.search_for_studies(search_filters={client.lookup_keyword("0020000D"): STUDY})
    check(value(found, "0020000D") == STUDY, "another study is found")


@case
def lookup_tag():
    [found] = client.search_for_studies(search_filters={client.lookup_tag("StudyInstanceUID"): STUDY})
    check(value(found, "0020000D") == STUDY, "another study is found")


def result_of(function) -> str:
    started = time.monotonic()
    try:
        function()
        print(f"{function.__name__}: {time.monotonic() - started:.2f} s", file=sys.stderr)
        return "ok"
    except Exception as error:  # Every kind: each is told by its method's name.
        line = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({Path(line.filename).name}:{line.lineno})"


methods = [name for name, _ in inspect.getmembers(DICOMwebClient, callable) if not name.startswith("_")]
print(json.dumps({"methods": methods, "cases": {name: result_of(function) for name, function in cases.items()}}))
