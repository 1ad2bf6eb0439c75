"""A PACS with the files of a folder that behaves as its fourth argument says."""
import io
import os
import socket
import ssl
import struct
import sys
import time

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.dimse_primitives import C_FIND, C_GET, C_MOVE, C_STORE
from pynetdicom.pdu_primitives import UserIdentityNegotiation
from pynetdicom.sop_class import (
    CTImageStorage,
    PatientRootQueryRetrieveInformationModelFind as PatientFind,
    PatientRootQueryRetrieveInformationModelGet as PatientGet,
    PatientRootQueryRetrieveInformationModelMove as PatientMove,
    StudyRootQueryRetrieveInformationModelFind as StudyFind,
    StudyRootQueryRetrieveInformationModelGet as StudyGet,
    StudyRootQueryRetrieveInformationModelMove as StudyMove,
)

port, ours, folder, behaviour, calls = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:6]
files = [dcmread(os.path.join(folder, name)) for name in sorted(os.listdir(folder))]
looks = 0
broken = False


def note(*words):
    with open(calls, "a") as out:
        print(*words, file=out)


def visible():
    """Late: all but the last images until the PACS has been asked twice."""
    return files[: len(files) * 9 // 10] if behaviour == "late" and looks <= 2 else files


def matching(query):
    keys = ["StudyInstanceUID", "SeriesInstanceUID", "PatientID", "AccessionNumber"]
    keys = [key for key in keys if query.get(key)]
    return [file for file in visible() if all(str(file.get(key)) == str(query.get(key)) for key in keys)]


def answer(level, found, of):
    reply = Dataset()
    reply.QueryRetrieveLevel = level
    for key in ["StudyInstanceUID", "PatientID", "AccessionNumber"]:
        setattr(reply, key, found.get(key))
    if behaviour == "undeclared-gbk":
        # Without a declared set each character is written as one byte.
        for key in ["PatientID", "AccessionNumber"]:
            setattr(reply, key, str(found.get(key)).encode("gbk").decode("latin-1"))
    else:
        reply.SpecificCharacterSet = "ISO_IR 192"
    if level != "STUDY":
        reply.SeriesInstanceUID = found.SeriesInstanceUID
    if level == "IMAGE":
        reply.SOPInstanceUID = found.SOPInstanceUID
        reply.SOPClassUID = found.SOPClassUID
    if behaviour != "uncounted" and level == "STUDY":
        reply.NumberOfStudyRelatedInstances = len(of)
    if behaviour != "uncounted" and level == "SERIES":
        reply.NumberOfSeriesRelatedInstances = sum(f.SeriesInstanceUID == found.SeriesInstanceUID for f in of)
    return reply


def bytes_of(dataset, keyword):
    element = dataset.get_item(keyword)
    return element.value.strip(b" \0").hex() if element is not None and isinstance(element.value, bytes) else "-"


def on_find(event):
    global looks
    query = event.identifier
    level = query.QueryRetrieveLevel
    note("KEYS", level, bytes_of(query, "PatientID"), query.get("SpecificCharacterSet"))
    looks += level == "STUDY"
    note("FIND", event.context.abstract_syntax, level, query.get("PatientID"), query.get("AccessionNumber"))
    if behaviour == "silent":
        time.sleep(3600)
    if behaviour == "unsorted-responses":
        reply = C_FIND()
        reply.MessageIDBeingRespondedTo = event.message_id + 7
        reply.AffectedSOPClassUID = event.context.abstract_syntax
        reply.Status = 0x0000
        event.assoc.dimse.send_msg(reply, event.context.context_id)
        time.sleep(3600)
    if behaviour == "wrong-lengths":
        # A value that says it is longer than the PDU around it.
        event.assoc.dul.socket.send(b"\x04\x00\x00\x00\x00\x10\x7f\xff\xff\xff\x01\x03" + bytes(10))
        time.sleep(3600)
    of = matching(query)
    firsts = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}[level]
    seen = set()
    while behaviour == "endless-matches" and level == "STUDY":
        yield 0xFF00, answer(level, of[0], of)
    if behaviour == "long-answers":
        reply = answer(level, of[0], of)
        reply.StudyDescription = "A" * 400_000
        reply[0x0008, 0x1030].VR = "UT"
        yield 0xFF00, reply
    if behaviour == "others" and level == "STUDY":
        for uid, accession in [("2.25.666", "A0001"), ("../../../../tmp/x", "A0001"), ("2.25.667", "A9999"), ("", "A0001")]:
            reply = answer(level, of[0], of)
            reply[0x0020, 0x000D]._value = uid
            reply.AccessionNumber = accession
            reply.PatientID = "SOMEBODY" if uid == "2.25.666" else reply.PatientID
            yield 0xFF00, reply
    for file in of:
        if file.get(firsts) not in seen:
            seen.add(file.get(firsts))
            yield 0xFF00, answer(level, file, of)


def pending_for_ever(event, primitive, pause=0.0):
    while True:
        time.sleep(pause)
        reply = primitive()
        reply.MessageIDBeingRespondedTo = event.message_id
        reply.AffectedSOPClassUID = event.context.abstract_syntax
        reply.Status = 0xFF00
        reply.NumberOfRemainingSuboperations = 1
        event.assoc.dimse.send_msg(reply, event.context.context_id)


def misbehave(event, primitive):
    sock = event.assoc.dul.socket
    if behaviour == "trickle":
        pending_for_ever(event, primitive, 0.05)
    if behaviour == "mute":
        time.sleep(3600)
    if behaviour == "aborting":
        sock.send(bytes([7, 0, 0, 0, 0, 4, 0, 0, 2, 0]))
        time.sleep(3600)
    if behaviour == "releasing":
        sock.send(bytes([5, 0, 0, 0, 0, 4, 0, 0, 0, 0]))
        time.sleep(3600)
    if behaviour == "long-command":
        for _ in range(1000):
            sock.send(struct.pack(">BBIIBB", 4, 0, 1006, 1002, event.context.context_id, 1) + bytes(1000))
        time.sleep(3600)


def breaks(event, number):
    """Breaking: the first retrieval is aborted when half of it has gone."""
    global broken
    if behaviour != "breaking" or broken or number < 9:
        return False
    broken = True
    event.assoc.dul.socket.send(bytes([7, 0, 0, 0, 0, 4, 0, 0, 2, 0]))
    return True


def store_as(event, file, sop_class):
    """Sends a file over its own context and says that it is of another class."""
    context = next(cx for cx in event.assoc.accepted_contexts if cx.abstract_syntax == file.SOPClassUID)
    request = C_STORE()
    request.MessageID, request.Priority = 4711, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = sop_class, file.SOPInstanceUID
    request.DataSet = io.BytesIO(b"\x08\x00\x16\x00UI\x04\x00" + b"1.2\0")
    event.assoc.dimse.send_msg(request, context.context_id)
    _, response = event.assoc.dimse.get_msg(block=True)
    note("STORED", sop_class, "%04X" % response.Status)


def on_move(event):
    note("MOVE", event.move_destination, event.identifier.QueryRetrieveLevel)
    misbehave(event, C_MOVE)
    if behaviour == "endless-pending":
        pending_for_ever(event, C_MOVE)
    yield "127.0.0.1", ours
    of = matching(event.identifier)
    yield len(of)
    for number, file in enumerate(of):
        if breaks(event, number):
            return
        yield 0xFF00, file


def on_get(event):
    note("GET", event.identifier.QueryRetrieveLevel)
    if behaviour == "endless-pending":
        pending_for_ever(event, C_GET)
    misbehave(event, C_GET)
    of = matching(event.identifier)
    if behaviour == "other-class":
        store_as(event, of[0], "1.2.840.10008.5.1.4.1.1.4")
    if behaviour == "endless-objects":
        yield 60_000
        while True:
            yield 0xFF00, of[0]
    yield len(of) + (3 if behaviour == "stuffed" else 0)
    if behaviour == "stuffed":
        for number, (study, instance) in enumerate(
            [("2.25.666", "2.25.666.1.1"), ("../../etc", "2.25.666.1.2"), ("2.25.7001", "../../../../tmp/evil")]
        ):
            strange = dcmread(os.path.join(folder, sorted(os.listdir(folder))[0]))
            strange[0x0020, 0x000D]._value = study
            strange[0x0008, 0x0018]._value = instance
            yield 0xFF00, strange
    for number, file in enumerate(of):
        if event.is_cancelled:
            return
        # Halting: after ten objects it waits until the test says that it may go on; gated: before the first one.
        while number == {"halting": 10, "gated": 0}.get(behaviour) and not os.path.exists(calls + ".go"):
            time.sleep(0.05)
        if breaks(event, number):
            return
        yield 0xFF00, file


def on_accepted(event):
    request = event.assoc.requestor.primitive
    note("ASSOCIATION", request.calling_ae_title, request.called_ae_title)
    contexts = request.presentation_context_definition_list
    storage = [cx for cx in contexts if cx.abstract_syntax.startswith("1.2.840.10008.5.1.4.1.1.")]
    if storage:
        note("PROPOSED", *sorted({syntax for cx in storage for syntax in cx.transfer_syntax}))


def on_user(event):
    good = (event.primary_field, event.secondary_field) == (b"archive", b"synthetic-code")
    asked = event.assoc.requestor.user_identity.positive_response_requested
    note("USER", event.user_id_type, good, asked)
    if good and asked:
        # pynetdicom itself answers tickets and assertions only.
        response = UserIdentityNegotiation()
        response.server_response = b"ok"
        event.assoc.acceptor.add_negotiation_item(response)
    return good, None


def accept_badly():
    """No DICOM toolkit: answers each association request with bytes of its own."""
    server = socket.create_server(("127.0.0.1", port))
    while True:
        peer, _ = server.accept()
        head = peer.recv(6, socket.MSG_WAITALL)
        if len(head) < 6:
            continue
        request = peer.recv(struct.unpack(">I", head[2:])[0], socket.MSG_WAITALL)
        note("ASSOCIATION", "raw")
        if behaviour == "raw-huge-accept":
            peer.sendall(b"\x02\x00\xff\xff\xff\xff" + bytes(100_000))
        if behaviour == "raw-garbled-accept":
            peer.sendall(b"\x02\x00\x00\x00\x00\x50" + b"\xfe" * 80)
        if behaviour == "raw-odd-accept":
            # A context that was not proposed, and one in a transfer syntax that was not.
            items = b"\x10\x00\x00\x15" + b"1.2.840.10008.3.1.1.1"
            syntax = b"1.2.840.10008.1.2.4.70"
            for context in (1, 99):
                items += struct.pack(">BBHBBBB", 0x21, 0, 8 + len(syntax), context, 0, 0, 0)
                items += struct.pack(">BBH", 0x40, 0, len(syntax)) + syntax
            items += b"\x50\x00\x00\x08\x51\x00\x00\x04\x00\x00\x40\x00"
            body = struct.pack(">HH", 1, 0) + request[4:36] + bytes(32) + items
            peer.sendall(struct.pack(">BBI", 2, 0, len(body)) + body)
        # What is left is to say nothing at all.
        peer.settimeout(30)
        begun = time.monotonic()
        try:
            note("THEN", peer.recv(6).hex())
        except OSError:
            pass
        note("WAITED", int(time.monotonic() - begun))


if behaviour.startswith("raw-"):
    accept_badly()
ae = AE(ae_title="QRSCP")
ae.maximum_associations = 50
for model in [StudyFind, StudyMove, StudyGet, PatientFind, PatientMove, PatientGet]:
    ae.add_supported_context(model)
for context in AllStoragePresentationContexts:
    ae.add_supported_context(context.abstract_syntax, scu_role=True, scp_role=True)
ae.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
handlers = [
    (evt.EVT_C_FIND, on_find),
    (evt.EVT_C_MOVE, on_move),
    (evt.EVT_C_GET, on_get),
    (evt.EVT_ACCEPTED, on_accepted),
]
if behaviour == "identity":
    handlers.append((evt.EVT_USER_ID, on_user))
tls = None
if len(sys.argv) > 6:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(sys.argv[6], sys.argv[7])
ae.start_server(("127.0.0.1", port), block=True, evt_handlers=handlers, ssl_context=tls)
