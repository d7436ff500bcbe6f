"""A modality of pynetdicom's: port, what, and a JSON object of arguments. Prints what came back as JSON."""
import json
import sys
import threading

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt

port, what = int(sys.argv[1]), sys.argv[2]
arguments = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
COMMITMENT, INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
MPPS, MPPS_RETRIEVE = "1.2.840.10008.3.1.2.3.3", "1.2.840.10008.3.1.2.3.4"
WORKLIST = "1.2.840.10008.5.1.4.31"
SYNTAXES = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]
title = arguments.get("aet", "MODALITY")
ae = AE(ae_title=title)


def associate(*contexts, **options):
    for context in contexts:
        ae.add_requested_context(context, SYNTAXES)
    if "from" in arguments:
        options["bind_address"] = (arguments["from"], 0)
    association = ae.associate("127.0.0.1", port, ae_title="CALLOSUM", **options)
    if not association.is_established:
        print(json.dumps({"established": False}))
        sys.exit(0)
    return association


def report_of(event):
    information = event.event_information
    return {
        "type": event.request.EventTypeID,
        "transaction": information.TransactionUID,
        "retrieve": information.get("RetrieveAETitle"),
        "committed": [item.ReferencedSOPInstanceUID for item in information.get("ReferencedSOPSequence", [])],
        "failed": [
            [item.ReferencedSOPInstanceUID, item.FailureReason] for item in information.get("FailedSOPSequence", [])
        ],
    }


def asked_for():
    request = Dataset()
    if "transaction" in arguments:
        request.TransactionUID = arguments["transaction"]
    items = []
    for sop_class, instance in arguments["references"]:
        item = Dataset()
        item.ReferencedSOPClassUID = sop_class
        item.ReferencedSOPInstanceUID = instance
        items.append(item)
    request.ReferencedSOPSequence = items
    return request


def commit():
    """Asks, and waits on the same association for so many seconds."""
    reported, done = [], threading.Event()

    def heard(event):
        reported.append(report_of(event))
        # Released from another thread while this one still answers, pynetdicom may wait for ever.
        threading.Timer(0.2, done.set).start()
        return 0x0000, None

    association = associate(COMMITMENT, evt_handlers=[(evt.EVT_N_EVENT_REPORT, heard)])
    status, _ = association.send_n_action(
        asked_for(),
        arguments.get("action", 1),
        arguments.get("sop_class", COMMITMENT),
        arguments.get("instance", INSTANCE),
        # The class of the presentation context, which the command need not repeat.
        meta_uid=COMMITMENT,
    )
    if status.Status == 0:
        done.wait(arguments.get("wait", 10))
    association.release()
    return {"action": status.Status, "comment": status.get("ErrorComment"), "reported": reported}


def listen():
    """Takes reports on associations of the archive's until there are as many as wanted; refuses the first ones."""
    reported, roles, done = [], [], threading.Event()
    refuse = [arguments.get("refuse", 0)]

    def heard(event):
        if refuse[0] > 0:
            refuse[0] -= 1
            return 0x0110, None
        reported.append(report_of(event))
        if len(reported) >= arguments.get("reports", 1):
            done.set()
        return 0x0000, None

    def accepted(event):
        roles.extend([[bool(c.as_scu), bool(c.as_scp)] for c in event.assoc.accepted_contexts])

    ae.add_supported_context(COMMITMENT, SYNTAXES, scu_role=False, scp_role=True)
    handlers = [(evt.EVT_N_EVENT_REPORT, heard), (evt.EVT_ACCEPTED, accepted)]
    at = (arguments.get("host", "127.0.0.1"), arguments["listen"])
    server = ae.start_server(at, block=False, evt_handlers=handlers)
    print(json.dumps({"listening": True}), flush=True)
    done.wait(arguments.get("wait", 40))
    server.shutdown()
    return {"reported": reported, "roles": roles}


def commit_elsewhere():
    """Asks, releases, and takes the report on an association of the archive's."""
    association = associate(COMMITMENT)
    status, _ = association.send_n_action(asked_for(), 1, COMMITMENT, INSTANCE)
    association.release()
    return {"action": status.Status}


def report():
    """Reports as archive, with the role of a provider."""
    information = asked_for()
    association = associate(COMMITMENT, ext_neg=[build_role(COMMITMENT, scp_role=True)])
    status, _ = association.send_n_event_report(information, arguments.get("event", 1), COMMITMENT, INSTANCE)
    association.release()
    return {"status": status.Status}


def archive():
    """Takes commitment requests until one came, and reports it at once or never."""
    taken, done = [], threading.Event()

    def action(event):
        information = event.action_information
        taken.append(information.TransactionUID)

        def tell():
            event.assoc.send_n_event_report(information, 1, COMMITMENT, INSTANCE)
            done.set()

        if arguments.get("at_once"):
            threading.Timer(0.2, tell).start()
        else:
            done.set()
        return arguments.get("status", 0x0000), None

    ae.add_supported_context(COMMITMENT, SYNTAXES)
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_N_ACTION, action)])
    print(json.dumps({"listening": True}), flush=True)
    done.wait(40)
    threading.Event().wait(0.5)
    server.shutdown()
    return {"taken": taken}


def step(attributes):
    return Dataset.from_json(attributes)


def mpps():
    """N-CREATE, N-SET and N-GET in turn: a list of [operation, UID or null, attributes]."""
    association = associate(MPPS, MPPS_RETRIEVE)
    answers = []
    for operation, uid, attributes in arguments["operations"]:
        if operation == "create":
            status, _ = association.send_n_create(step(attributes), MPPS, uid)
        elif operation == "set":
            status, _ = association.send_n_set(step(attributes), MPPS, uid)
        else:
            status, found = association.send_n_get([int(tag, 16) for tag in attributes], MPPS_RETRIEVE, uid)
            if found is not None:
                answers.append({keyword_for_tag(element.tag): str(element.value) for element in found})
        answers.append([status.Status, status.get("ErrorComment")])
    association.release()
    return answers


def worklist():
    """C-FIND by an identifier in the DICOM JSON model; the set its text is to be sent in."""
    identifier = Dataset.from_json(arguments["identifier"])
    if "charset" in arguments:
        identifier.SpecificCharacterSet = arguments["charset"]
    association = associate(WORKLIST)
    items, statuses = [], []
    for status, item in association.send_c_find(identifier, WORKLIST):
        statuses.append(status.Status)
        if item is not None:
            items.append([str(item.get("SpecificCharacterSet", "")), item.to_json_dict()])
    association.release()
    return {"statuses": statuses, "items": items}


print(json.dumps({"commit": commit, "listen": listen, "commit_elsewhere": commit_elsewhere, "report": report,
                  "archive": archive, "mpps": mpps, "worklist": worklist}[what]()), flush=True)
