"""A PACS with the files of a folder that behaves as its fourth argument says."""
import os
import ssl
import sys
import time

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.dimse_primitives import C_FIND, C_GET, C_MOVE
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
    reply.SpecificCharacterSet = "ISO_IR 192"
    for key in ["StudyInstanceUID", "PatientID", "AccessionNumber"]:
        setattr(reply, key, found.get(key))
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


def on_find(event):
    global looks
    query = event.identifier
    level = query.QueryRetrieveLevel
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


def pending_for_ever(event, primitive):
    while True:
        reply = primitive()
        reply.MessageIDBeingRespondedTo = event.message_id
        reply.AffectedSOPClassUID = event.context.abstract_syntax
        reply.Status = 0xFF00
        reply.NumberOfRemainingSuboperations = 1
        event.assoc.dimse.send_msg(reply, event.context.context_id)


def on_move(event):
    note("MOVE", event.move_destination, event.identifier.QueryRetrieveLevel)
    if behaviour == "endless-pending":
        pending_for_ever(event, C_MOVE)
    yield "127.0.0.1", ours
    of = matching(event.identifier)
    yield len(of)
    for file in of:
        yield 0xFF00, file


def on_get(event):
    note("GET", event.identifier.QueryRetrieveLevel)
    if behaviour == "endless-pending":
        pending_for_ever(event, C_GET)
    of = matching(event.identifier)
    yield len(of) + (3 if behaviour == "stuffed" else 0)
    if behaviour == "stuffed":
        for number, (study, instance) in enumerate(
            [("2.25.666", "2.25.666.1.1"), ("../../etc", "2.25.666.1.2"), ("2.25.7001", "../../../../tmp/evil")]
        ):
            strange = dcmread(os.path.join(folder, sorted(os.listdir(folder))[0]))
            strange[0x0020, 0x000D]._value = study
            strange[0x0008, 0x0018]._value = instance
            yield 0xFF00, strange
    for file in of:
        if event.is_cancelled:
            return
        if behaviour == "slow":
            time.sleep(0.1)
        yield 0xFF00, file


def on_accepted(event):
    request = event.assoc.requestor.primitive
    note("ASSOCIATION", request.calling_ae_title, request.called_ae_title)


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
tls = None
if len(sys.argv) > 6:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(sys.argv[6], sys.argv[7])
ae.start_server(("127.0.0.1", port), block=True, evt_handlers=handlers, ssl_context=tls)
