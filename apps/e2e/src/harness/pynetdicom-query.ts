/** Port, study and instance. Prints what came of two C-GETs and two C-FINDs at the level IMAGE. */
export const getAndFind = `
import json, sys
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

port, study, instance = int(sys.argv[1]), sys.argv[2], sys.argv[3]
GET, FIND, CT = "1.2.840.10008.5.1.4.1.2.2.3", "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.1.2"

def associate(*contexts, **options):
    ae = AE(ae_title="PYNETDICOM")
    for context in contexts:
        ae.add_requested_context(context, "1.2.840.10008.1.2.1")
    return ae.associate("127.0.0.1", port, ae_title="CALLOSUM", **options)

def get(*contexts, **options):
    received = []
    def stored(event):
        received.append(event.request.AffectedSOPInstanceUID)
        return 0
    association = associate(GET, *contexts, evt_handlers=[(evt.EVT_C_STORE, stored)], **options)
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.StudyInstanceUID = study
    for status, _ in association.send_c_get(identifier, GET):
        final = status
    association.release()
    return {"status": final.Status, "completed": final.NumberOfCompletedSuboperations,
            "failed": final.NumberOfFailedSuboperations, "received": len(received)}

def find(*fields):
    negotiation = []
    if fields:
        item = SOPClassExtendedNegotiation()
        item.sop_class_uid = FIND
        item.service_class_application_information = bytes(fields)
        negotiation.append(item)
    association = associate(FIND, ext_neg=negotiation)
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "IMAGE"
    identifier.SOPInstanceUID = instance
    answers = list(association.send_c_find(identifier, FIND))
    association.release()
    return answers

print(json.dumps({
    "get": get(CT, ext_neg=[build_role(CT, scp_role=True)]),
    "without": get(),
    "hierarchical": find()[-1][0].Status,
    "relational": [match.SOPInstanceUID for _, match in find(1) if match is not None],
}))
`;
