"""Asks a provider for the services beyond C-STORE with pynetdicom: port, what. Prints what came back as JSON."""
import json
import sys
import threading

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)

port, what = int(sys.argv[1]), sys.argv[2]
FIND, GET = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.3"
CT, COMMITMENT, MPPS = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.20.1", "1.2.840.10008.3.1.2.3.3"
PRIVATE = "1.2.826.0.1.3680043.9.9999.1"
EXPLICIT = "1.2.840.10008.1.2.1"

ae = AE(ae_title="PYNETDICOM")


def associate(*contexts, **options):
    for context in contexts:
        ae.add_requested_context(context, EXPLICIT)
    association = ae.associate("127.0.0.1", port, ae_title="CALLOSUM", **options)
    if not association.is_established:
        print(json.dumps({"established": False}))
        sys.exit(0)
    return association


def study(level="STUDY"):
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    identifier.PatientID = ""
    identifier.StudyInstanceUID = "1.2.3"
    return identifier


def find():
    association = associate(FIND)
    ids, final = [], None
    for status, identifier in association.send_c_find(study(), FIND):
        final = status.Status
        if identifier is not None:
            ids.append(identifier.PatientID)
            if len(ids) == 3:
                association.send_c_cancel(1, query_model=FIND)
    association.release()
    return {"first": ids[:3], "canceled": len(ids) < 1000, "final": final}


def get():
    received = {}

    def stored(event):
        received[event.request.AffectedSOPInstanceUID] = len(event.request.DataSet.getvalue())
        return 0xA700 if event.request.AffectedSOPInstanceUID.endswith(".3") else 0

    association = associate(
        GET, CT, ext_neg=[build_role(CT, scp_role=True)], evt_handlers=[(evt.EVT_C_STORE, stored)]
    )
    final = None
    for status, identifier in association.send_c_get(study(), GET):
        final = (status, identifier)
    association.release()
    status, identifier = final
    failed = [] if identifier is None else identifier.get("FailedSOPInstanceUIDList", [])
    return {
        "received": received,
        "status": status.Status,
        "counts": [
            status.NumberOfCompletedSuboperations,
            status.NumberOfFailedSuboperations,
            status.NumberOfWarningSuboperations,
        ],
        "failed": [failed] if isinstance(failed, str) else list(failed),
    }


def commitment():
    reported, done = [], threading.Event()

    def report(event):
        reported.append([event.request.EventTypeID, event.event_information.TransactionUID])
        # Released from another thread while this one still answers, pynetdicom may wait for ever.
        threading.Timer(0.2, done.set).start()
        return 0x0000, None

    association = associate(COMMITMENT, evt_handlers=[(evt.EVT_N_EVENT_REPORT, report)])
    request = Dataset()
    request.TransactionUID = "1.2.3.4"
    status, _ = association.send_n_action(request, 1, COMMITMENT, "1.2.840.10008.1.20.1.1")
    done.wait(10)
    association.release()
    return {"action": status.Status, "reported": reported}


def mpps():
    association = associate(MPPS)
    step = Dataset()
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    created, attributes = association.send_n_create(step, MPPS, "1.2.3.9")
    step.PerformedProcedureStepStatus = "COMPLETED"
    changed, _ = association.send_n_set(step, MPPS, "1.2.3.9")
    unknown, _ = association.send_n_set(step, MPPS, "1.2.3.10")
    association.release()
    return {
        "created": created.Status,
        "attributes": attributes.PerformedProcedureStepStatus,
        "changed": changed.Status,
        "unknown": [unknown.Status, unknown.get("ErrorComment")],
    }


def negotiation():
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = 8
    window.maximum_number_operations_performed = 2
    identity = UserIdentityNegotiation()
    identity.user_identity_type = 2
    identity.primary_field = b"zo\xc3\xab"
    identity.secondary_field = b"geheim"
    identity.positive_response_requested = True
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid = FIND
    extended.service_class_application_information = b"\x01\x01"
    common = SOPClassCommonExtendedNegotiation()
    common.sop_class_uid = PRIVATE
    common.service_class_uid = "1.2.840.10008.4.2"
    common.related_general_sop_class_identification = [CT]
    association = associate(FIND, PRIVATE, ext_neg=[window, identity, extended, common])
    answers = association.acceptor
    result = {
        "window": list(answers.asynchronous_operations),
        "extended": {str(uid): list(item) for uid, item in answers.sop_class_extended.items()},
        "accepted": sorted(context.abstract_syntax for context in association.accepted_contexts),
        "identity": [
            item.server_response.decode() for item in answers.user_information if isinstance(item, UserIdentityNegotiation)
        ],
    }
    association.release()
    return result


print(json.dumps({"find": find, "get": get, "commitment": commitment, "mpps": mpps, "negotiation": negotiation}[what]()))
