"""Stores two objects over TLS with pynetdicom: port, authority, certificate, key, user. Prints what came back as JSON."""
import json
import ssl
import sys

from pydicom.dataset import Dataset, FileMetaDataset
from pynetdicom import AE
from pynetdicom.pdu_primitives import AsynchronousOperationsWindowNegotiation, UserIdentityNegotiation

port, authority, certificate, key, user = int(sys.argv[1]), *sys.argv[2:6]
CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"

context = ssl.create_default_context(cafile=authority)
context.load_cert_chain(certfile=certificate, keyfile=key)
window = AsynchronousOperationsWindowNegotiation()
window.maximum_number_operations_invoked = 64
window.maximum_number_operations_performed = 1
identity = UserIdentityNegotiation()
identity.user_identity_type = 1
identity.primary_field = user.encode()
identity.positive_response_requested = True

ae = AE(ae_title="CT1")
ae.add_requested_context(CT, EXPLICIT)
ae.add_requested_context("1.2.840.10008.1.1")
association = ae.associate(
    "127.0.0.1", port, ae_title="CALLOSUM", tls_args=(context, "localhost"), ext_neg=[window, identity]
)
if not association.is_established:
    print(json.dumps({"established": False}))
    sys.exit(0)
answers = association.acceptor
statuses = [association.send_c_echo().Status]
for number in (1, 2):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = EXPLICIT
    ds.SOPClassUID = CT
    ds.SOPInstanceUID = f"1.2.3.1.{number}"
    ds.PatientName = "Secret^Name"
    ds.StudyInstanceUID = "1.2.3"
    ds.SeriesInstanceUID = "1.2.3.1"
    statuses.append(association.send_c_store(ds).Status)
print(
    json.dumps(
        {
            "window": list(answers.asynchronous_operations),
            "identity": len([item for item in answers.user_information if isinstance(item, UserIdentityNegotiation)]),
            "statuses": statuses,
        }
    )
)
association.release()
