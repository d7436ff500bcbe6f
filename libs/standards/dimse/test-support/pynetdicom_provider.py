"""Serves what our requestor asks for beyond C-STORE with pynetdicom, until it is ended: port."""
import sys
import threading
import time

from pydicom.dataset import Dataset, FileMetaDataset
from pynetdicom import AE, evt

port = int(sys.argv[1])
FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.2.{model}" for model in (1, 2, 3))
CT, COMMITMENT, MPPS = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.20.1", "1.2.840.10008.3.1.2.3.3"
EXPLICIT = "1.2.840.10008.1.2.1"
steps = {}


def match(index):
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.PatientID = f"P{index:05}"
    return identifier


def image(index):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = EXPLICIT
    dataset.SOPClassUID = CT
    dataset.SOPInstanceUID = f"1.2.3.{index}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.0"
    dataset.Rows, dataset.Columns, dataset.BitsAllocated = 300, 300, 16
    dataset.PixelData = bytes([index]) * 180_000
    return dataset


def find(event):
    if event.identifier.get("PatientID") == "NONE":
        yield 0xA900, None
        return
    for index in range(1000):
        # It is told once only.
        is_cancelled = event.is_cancelled
        if event.identifier.get("PatientID") == "SLOW" and index > 0:
            # The next match takes as long as the C-CANCEL does, within a minute.
            until = time.monotonic() + 60
            while not is_cancelled and time.monotonic() < until:
                time.sleep(0.01)
                is_cancelled = event.is_cancelled
        if is_cancelled:
            yield 0xFE00, None
            return
        yield 0xFF00, match(index)


def get(event):
    yield 4
    for index in range(1, 5):
        if event.is_cancelled:
            yield 0xFE00, None
            return
        yield 0xFF00, image(index)


def action(event):
    def report():
        time.sleep(0.2)
        information = Dataset()
        information.TransactionUID = event.action_information.TransactionUID
        event.assoc.send_n_event_report(information, 1, COMMITMENT, "1.2.840.10008.1.20.1.1")

    threading.Thread(target=report).start()
    return 0x0000, None


def create(event):
    uid = event.request.AffectedSOPInstanceUID
    if uid in steps:
        return 0x0111, None
    steps[uid] = event.attribute_list
    return 0x0000, event.attribute_list


def change(event):
    uid = event.request.RequestedSOPInstanceUID
    if uid not in steps:
        return 0x0112, None
    steps[uid].update(event.modification_list)
    return 0x0000, steps[uid]


def identity(event):
    known = event.user_id_type == 2 and event.primary_field.decode() == "zoë" and event.secondary_field == b"geheim"
    return known or event.user_id_type == 5, b"welcome"


ae = AE(ae_title="PYNETDICOM")
for context in (FIND, MOVE, GET, COMMITMENT, MPPS):
    ae.add_supported_context(context, EXPLICIT)
ae.add_supported_context(CT, EXPLICIT, scu_role=True, scp_role=True)
ae.start_server(
    ("127.0.0.1", port),
    evt_handlers=[
        (evt.EVT_C_FIND, find),
        (evt.EVT_C_GET, get),
        (evt.EVT_N_ACTION, action),
        (evt.EVT_N_CREATE, create),
        (evt.EVT_N_SET, change),
        (evt.EVT_USER_ID, identity),
        (evt.EVT_ASYNC_OPS, lambda event: (1, 1)),
        (evt.EVT_SOP_EXTENDED, lambda event: {FIND: b"\x01\x00"}),
    ],
)
