"""Reads and writes datasets with pydicom: JSON in on standard input, JSON out on standard output."""

import base64
import json
import sys
import warnings
import zlib
from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

warnings.simplefilter("ignore")

IMPLICIT = "1.2.840.10008.1.2"
BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"


def texts(dataset):
    found = {}
    for element in dataset:
        if element.VR == "SQ":
            found[f"{int(element.tag):08X}"] = [texts(item) for item in element.value]
        elif element.VM > 1:
            found[f"{int(element.tag):08X}"] = [str(value) for value in element.value]
        else:
            found[f"{int(element.tag):08X}"] = str(element.value)
    return found


def read(request):
    data = base64.b64decode(request["bytes"])
    syntax = request["transferSyntaxUid"]
    if syntax == DEFLATED:
        data = zlib.decompress(data, -15)
    return texts(read_dataset(BytesIO(data), syntax == IMPLICIT, syntax != BIG))


def write(request):
    dataset = Dataset()
    terms = request["characterSet"].split("\\")
    dataset.SpecificCharacterSet = terms if len(terms) > 1 else terms[0]
    dataset.PatientName = request["name"]
    dataset.StudyDescription = request["description"]
    stream = DicomBytesIO()
    stream.is_little_endian = request["transferSyntaxUid"] != BIG
    stream.is_implicit_VR = request["transferSyntaxUid"] == IMPLICIT
    write_dataset(stream, dataset)
    return base64.b64encode(stream.getvalue()).decode()


requests = json.load(sys.stdin)
json.dump(
    {"read": [read(one) for one in requests["read"]], "write": [write(one) for one in requests["write"]]}, sys.stdout
)
