"""Sends DICOM files with pynetdicom: port, called AE title, files. Prints the statuses as JSON."""
import json
import sys

from pydicom import dcmread
from pynetdicom import AE, evt
from pynetdicom.pdu import A_ASSOCIATE_RJ

port, called, files = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
datasets = [dcmread(path) for path in files]
ae = AE(ae_title="PYNETDICOM")
ae.dimse_timeout = 8
ae.add_requested_context("1.2.840.10008.1.1")
for kind in sorted({(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID) for ds in datasets}):
    ae.add_requested_context(*kind)
# Read as it arrives: pynetdicom's negotiation thread may find the connection closed by its own reader before it has
# looked at the rejection, and then forgets it.
rejected = []
def received(event):
    if isinstance(event.pdu, A_ASSOCIATE_RJ):
        rejected.extend([event.pdu.result, event.pdu.source, event.pdu.reason_diagnostic])
association = ae.associate("127.0.0.1", port, ae_title=called, evt_handlers=[(evt.EVT_PDU_RECV, received)])
if not association.is_established:
    print(json.dumps({"rejected": rejected}))
    sys.exit(0)
statuses = []
for send in [association.send_c_echo, *(lambda ds=ds: association.send_c_store(ds) for ds in datasets)]:
    answer = send()
    if "Status" not in answer:
        print(json.dumps({"unanswered": len(statuses)}))
        sys.exit(0)
    statuses.append(answer.Status)
association.release()
print(json.dumps({"statuses": statuses}))
