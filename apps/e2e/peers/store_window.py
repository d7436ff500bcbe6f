"""Sends DICOM files with pynetdicom, as many at a time as the window it is granted: port, files.

Prints what was granted, how many requests were under way at once, and the statuses by SOP Instance UID.
"""

import json
import struct
import sys
from io import BytesIO

from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import AsynchronousOperationsWindowNegotiation

port, paths = int(sys.argv[1]), sys.argv[2:]


def request(path, message_id):
    with open(path, "rb") as file:
        raw = file.read()
    header = dcmread(path, stop_before_pixels=True)
    store = C_STORE()
    store.MessageID = message_id
    store.Priority = 2
    store.AffectedSOPClassUID = header.SOPClassUID
    store.AffectedSOPInstanceUID = header.SOPInstanceUID
    store.DataSet = BytesIO(raw[144 + struct.unpack("<I", raw[140:144])[0] :])
    return store, (header.SOPClassUID, header.file_meta.TransferSyntaxUID)


requests = [request(path, number) for number, path in enumerate(paths, start=1)]
ae = AE("PYNETDICOM")
for kind in sorted({kind for _, kind in requests}):
    ae.add_requested_context(*kind)
window = AsynchronousOperationsWindowNegotiation()
window.maximum_number_operations_invoked = 8
window.maximum_number_operations_performed = 1
association = ae.associate("127.0.0.1", port, ae_title="CALLOSUM", ext_neg=[window])
invoked, performed = association.acceptor.asynchronous_operations
contexts = {(cx.abstract_syntax, cx.transfer_syntax[0]): cx.context_id for cx in association.accepted_contexts}

# pynetdicom itself asks one after the other: its reader is held off, and messages go out and in by hand.
association._reactor_checkpoint.clear()
waiting, at_once, statuses = {}, 0, {}


def receive():
    _, response = association.dimse.get_msg(block=True)
    statuses[waiting.pop(response.MessageIDBeingRespondedTo)] = response.Status


for store, kind in requests:
    while len(waiting) >= invoked:
        receive()
    waiting[store.MessageID] = store.AffectedSOPInstanceUID
    at_once = max(at_once, len(waiting))
    association.dimse.send_msg(store, contexts[kind])
while waiting:
    receive()
association._reactor_checkpoint.set()
association.release()
print(json.dumps({"window": [invoked, performed], "atOnce": at_once, "statuses": statuses}))
