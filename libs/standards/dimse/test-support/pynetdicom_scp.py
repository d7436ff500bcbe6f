"""Takes C-STOREs with pynetdicom and answers them with the status given, until it is ended: port, status."""
import sys

from pynetdicom import AE, AllStoragePresentationContexts, ALL_TRANSFER_SYNTAXES, evt

port, status = int(sys.argv[1]), int(sys.argv[2], 16)
ae = AE(ae_title="PYNETDICOM")
ae.require_called_aet = True
# 16 KiB: every object comes in many fragments.
ae.maximum_pdu_size = 16384
for context in AllStoragePresentationContexts:
    ae.add_supported_context(context.abstract_syntax, ALL_TRANSFER_SYNTAXES)
ae.start_server(("127.0.0.1", port), evt_handlers=[(evt.EVT_C_STORE, lambda event: status if event.dataset.SOPInstanceUID else 0xC000)])
