"""DICOM TLS with pynetdicom: role, port, certificate, key, authority, and for the requestor files.

  requestor   C-ECHO and a C-STORE of each file; prints the statuses and the protocol as JSON
  provider    takes C-STOREs of peers with a certificate of the authority, until it is ended
"""

import json
import ssl
import sys

from pydicom import dcmread
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt

role, port, certificate, key, authority, files = *sys.argv[1:2], int(sys.argv[2]), *sys.argv[3:6], sys.argv[6:]


def context(purpose):
    made = ssl.create_default_context(purpose, cafile=authority)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate != "none":
        made.load_cert_chain(certificate, key)
    return made


def requestor():
    datasets = [dcmread(path) for path in files]
    ae = AE(ae_title="PYNETDICOM")
    ae.add_requested_context("1.2.840.10008.1.1")
    for kind in sorted({(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID) for ds in datasets}):
        ae.add_requested_context(*kind)
    tls = (context(ssl.Purpose.SERVER_AUTH), "localhost")
    association = ae.associate("127.0.0.1", port, ae_title="CALLOSUM", tls_args=tls)
    if not association.is_established:
        print(json.dumps({"established": False}))
        return
    protocol = association.dul.socket.socket.version()
    statuses = [association.send_c_echo().Status] + [association.send_c_store(ds).Status for ds in datasets]
    association.release()
    print(json.dumps({"established": True, "protocol": protocol, "statuses": statuses}))


def provider():
    ae = AE(ae_title="PYNETDICOM")
    for supported in AllStoragePresentationContexts:
        ae.add_supported_context(supported.abstract_syntax, ALL_TRANSFER_SYNTAXES)
    tls = context(ssl.Purpose.CLIENT_AUTH)
    tls.verify_mode = ssl.CERT_REQUIRED
    stored = (evt.EVT_C_STORE, lambda event: 0 if event.dataset.SOPInstanceUID else 0xC000)
    ae.start_server(("127.0.0.1", port), ssl_context=tls, evt_handlers=[stored])


{"requestor": requestor, "provider": provider}[role]()
