"""A C-FIND user made with pynetdicom: one job as JSON in, one answer as JSON out.

Job: port, calling, model, syntax, extended (hex or null), and either keys ([[keyword, value], ...] with charset) or
raw (hex of the identifier) or raw_file; cancel_after pending responses (or null).
"""

import io
import json
import sys

from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_FIND
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

job = json.loads(sys.argv[1])
model = "1.2.840.10008.5.1.4.1.2.%s.1" % job["model"]
ae = AE(ae_title=job["calling"])
ae.dimse_timeout = ae.network_timeout = 60
ae.add_requested_context(model, job.get("syntax", "1.2.840.10008.1.2"))
negotiation = []
if job.get("extended"):
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid = model
    item.service_class_application_information = bytes.fromhex(job["extended"])
    negotiation.append(item)
assoc = ae.associate("127.0.0.1", job["port"], ae_title="YINGKU", ext_neg=negotiation)
assert assoc.is_established, "no association"
agreed = {str(uid): info.hex() for uid, info in assoc.acceptor.sop_class_extended.items()}
context = next(cx for cx in assoc.accepted_contexts if cx.abstract_syntax == model)
statuses, comments, answers = [], [], []


def note(status, comment=""):
    statuses.append("%04X" % status)
    comments.append(str(comment or ""))


def texts(identifier):
    raw = getattr(identifier.get("PatientName"), "original_string", b"")
    found = {element.keyword or str(element.tag): str(element.value) for element in identifier}
    if "SpecificCharacterSet" in found and not isinstance(identifier.SpecificCharacterSet, str):
        found["SpecificCharacterSet"] = "\\".join(identifier.SpecificCharacterSet)
    found["raw_name"] = raw.hex() if isinstance(raw, bytes) else raw
    return found


if "raw_file" in job:
    with open(job["raw_file"], "rb") as file:
        job["raw"] = file.read().hex()
if "raw" in job:
    assoc._reactor_checkpoint.clear()
    request = C_FIND()
    request.MessageID, request.Priority, request.AffectedSOPClassUID = 1, 2, model
    request.Identifier = io.BytesIO(bytes.fromhex(job["raw"]))
    assoc.dimse.send_msg(request, context.context_id)
    while True:
        _, response = assoc.dimse.get_msg(block=True)
        assert response is not None, "no response"
        note(response.Status, response.ErrorComment)
        if response.Status not in (0xFF00, 0xFF01):
            break
    assoc._reactor_checkpoint.set()
else:
    query = Dataset()
    if job.get("charset"):
        query.SpecificCharacterSet = job["charset"]
    for keyword, value in job["keys"]:
        if keyword.startswith("0x"):
            query.add_new(int(keyword, 16), "LO", value)
        elif keyword.endswith("Sequence"):
            setattr(query, keyword, [Dataset()])
        else:
            setattr(query, keyword, value)
    pending = 0
    for status, identifier in assoc.send_c_find(query, model, msg_id=7):
        assert status, "no response"
        note(status.Status, status.get("ErrorComment"))
        if status.Status in (0xFF00, 0xFF01):
            pending += 1
            if job.get("cancel_after") is None:
                answers.append(texts(identifier))
            if pending == job.get("cancel_after"):
                assoc.send_c_cancel(7, query_model=model)
still_open = assoc.is_established
assoc.release()
print(json.dumps({"statuses": statuses, "comments": comments, "answers": answers, "agreed": agreed, "open": still_open}))
