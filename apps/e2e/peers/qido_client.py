"""Searches by dicomweb-client: prints what came of each call, read by pydicom.

Arguments: base URL, and a JSON list of {"method": ..., "arguments": {...}}.
"""

import json
import sys

from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset

base, calls = sys.argv[1], json.loads(sys.argv[2])
client = DICOMwebClient(url=base)


def described(result):
    dataset = Dataset.from_json(result)
    groups = [str(group) for group in (dataset.get("PatientName") or "").components] if "PatientName" in dataset else []
    return {
        "study": dataset.get("StudyInstanceUID", ""),
        "series": dataset.get("SeriesInstanceUID", ""),
        "instance": dataset.get("SOPInstanceUID", ""),
        "url": dataset.get("RetrieveURL", ""),
        "name": "=".join(groups),
        "keywords": sorted(element.keyword for element in dataset if element.keyword),
    }


def called(call):
    results = getattr(client, call["method"])(**call["arguments"])
    return [described(result) for result in results]


print(json.dumps([called(call) for call in calls]))
