"""Peers of C-MOVE and C-GET made with pynetdicom: one job as JSON in, one answer as JSON out.

`get` and `move`: port, calling, model, keys ([[keyword, value], ...]), and for `get` contexts ([[class, [syntax, ...]]])
with or without roles, for `move` destination; cancel_after stored objects or pending responses (or null);
vanish_after so many of them it is gone, with a reset of its connection.
`receive`: a destination on a port that keeps what it is sent until its standard input ends; manner is keep, refuse,
warn, slow (a pause of so many seconds before each answer), together (it answers when so many objects are there at the
same time), break (the connection of each association is cut at its so manieth object), or die after so many objects.
"""

import hashlib
import json
import os
import socket
import struct
import sys
import threading
import time

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt

job = json.loads(sys.argv[1])
received = []
associations = []
of_association = {}
together = threading.Barrier(job.get("together", 1))


def vanish(assoc):
    # A linger of nothing makes the kernel send a reset.
    assoc.dul.socket.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os._exit(0)


def store(event):
    raw = event.request.DataSet.getvalue()
    received.append(
        {
            "uid": str(event.request.AffectedSOPInstanceUID),
            "syntax": str(event.context.transfer_syntax),
            "sha256": hashlib.sha256(raw).hexdigest(),
            "originator": event.request.MoveOriginatorApplicationEntityTitle,
        }
    )
    if job.get("folder"):
        with open("%s/%s.dcm" % (job["folder"], received[-1]["uid"]), "wb") as file:
            event.file_meta.TransferSyntaxUID = event.context.transfer_syntax
            file.write(event.encoded_dataset(include_meta=True))
    manner = job.get("manner", "keep")
    if manner == "die" and len(received) >= job["after"]:
        os._exit(0)
    if job["verb"] == "get" and job.get("vanish_after") == len(received):
        vanish(event.assoc)
    if manner == "slow":
        time.sleep(job.get("pause", 0.2))
    if manner == "together":
        try:
            together.wait(60)
        except threading.BrokenBarrierError:
            manner = "refuse"
    if manner == "break":
        number = of_association[event.assoc] = of_association.get(event.assoc, 0) + 1
        if number == job["after"]:
            event.assoc.dul.socket.socket.shutdown(socket.SHUT_RDWR)
    return {"refuse": 0xA700, "warn": 0xB007}.get(manner, 0x0000)


def receive():
    ae = AE(ae_title=job["title"])
    for abstract_syntax, syntaxes in job["contexts"]:
        ae.add_supported_context(abstract_syntax, syntaxes)
    handlers = [(evt.EVT_C_STORE, store), (evt.EVT_ACCEPTED, lambda event: associations.append(1))]
    server = ae.start_server(("127.0.0.1", job["port"]), block=False, evt_handlers=handlers)
    print("listening", flush=True)
    sys.stdin.read()
    # A thread of pynetdicom ends a moment after its association.
    until = time.monotonic() + 60
    while server.active_associations and time.monotonic() < until:
        time.sleep(0.05)
    answer["open"] = len(server.active_associations)
    answer["associations"] = len(associations)
    server.shutdown()


def ask(verb):
    model = "1.2.840.10008.5.1.4.1.2.%s.%s" % (job.get("model", "2"), {"move": "2", "get": "3"}[verb])
    ae = AE(ae_title=job.get("calling", "PACS01"))
    ae.dimse_timeout = ae.network_timeout = 60
    ae.add_requested_context(model, job.get("syntax", "1.2.840.10008.1.2"))
    roles = []
    for abstract_syntax, syntaxes in job.get("contexts", []):
        ae.add_requested_context(abstract_syntax, syntaxes)
        if job.get("roles", True):
            roles.append(build_role(abstract_syntax, scp_role=True))
    handlers = [(evt.EVT_C_STORE, store)]
    assoc = ae.associate("127.0.0.1", job["port"], ae_title="YINGKU", ext_neg=roles, evt_handlers=handlers)
    assert assoc.is_established, "no association"
    identifier = Dataset()
    for keyword, value in job["keys"]:
        if keyword == "hostile":
            identifier.add_new(0x0020000D, "LO", value)
        else:
            setattr(identifier, keyword, value)
    if verb == "get":
        responses = assoc.send_c_get(identifier, model, msg_id=7)
    else:
        responses = assoc.send_c_move(identifier, job["destination"], model, msg_id=7)
    pending, last, failed = 0, None, []
    cancel_after = job.get("cancel_after")
    for status, data_set in responses:
        if "Status" not in status:
            last = {"status": "none"}
            break
        if status.Status in (0xFF00, 0xFF01):
            pending += 1
            if job.get("vanish_after") == pending:
                vanish(assoc)
            if cancel_after is not None and pending == cancel_after:
                context = next(cx for cx in assoc.accepted_contexts if cx.abstract_syntax == model)
                assoc.send_c_cancel(7, context.context_id)
            continue
        names = ["Remaining", "Completed", "Failed", "Warning"]
        last = {name.lower(): status.get("NumberOf%sSuboperations" % name) for name in names}
        last["status"] = "%04X" % status.Status
        last["comment"] = str(status.get("ErrorComment", ""))
        if data_set is not None and "FailedSOPInstanceUIDList" in data_set:
            value = data_set.FailedSOPInstanceUIDList
            failed = [value] if isinstance(value, str) else [str(uid) for uid in value]
    if assoc.is_established:
        # The same association goes on to serve.
        ended = assoc.is_established
        assoc.release()
    else:
        ended = False
    return {"pending": pending, "last": last, "failed": failed, "alive": ended}


answer = {}
if job["verb"] == "receive":
    receive()
else:
    answer = ask(job["verb"])
answer["received"] = received
print(json.dumps(answer))
