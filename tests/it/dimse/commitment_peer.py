"""A peer of storage commitment. Modes:
ask HOST PORT LISTEN_PORT HOW UIDS     asks; HOW = same (keeps its association open) or new (releases at once)
listen LISTEN_PORT AE_TITLE            waits for one report
answer LISTEN_PORT HOST PORT HOW FAIL  answers one request, FAIL = UID that it refuses, reports on same or new
Prints one JSON line with what it was told."""
import json, sys, threading, time
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pynetdicom import AE, evt, build_role
from pynetdicom.sop_class import StorageCommitmentPushModel as COMMIT

WELL_KNOWN = "1.2.840.10008.1.20.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
told, done = [], threading.Event()


def told_of(ds, event_type):
    refs = [i.ReferencedSOPInstanceUID for i in ds.get("ReferencedSOPSequence", [])]
    failed = {i.ReferencedSOPInstanceUID: int(i.FailureReason) for i in ds.get("FailedSOPSequence", [])}
    return {"transaction": ds.TransactionUID, "event": event_type, "committed": refs, "failed": failed}


def on_report(event):
    length = event.assoc.requestor.maximum_length
    told.append(told_of(event.event_information, event.event_type) | {"max_pdu": length})
    done.set()
    return 0x0000, None


def all_gone(server):
    """The answer to the last report is on its way when its association is still open: it ends with the caller's release."""
    until = time.monotonic() + 60
    while server.active_associations and time.monotonic() < until:
        time.sleep(0.05)


def request(uids):
    ds = Dataset()
    ds.TransactionUID = "2.25.4711"
    items = []
    for uid in uids:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = (
            ("1.2.840.10008.5.1.4.1.1.4", uid[1:]) if uid.startswith("!") else (CT, uid)
        )
        items.append(item)
    ds.ReferencedSOPSequence = Sequence(items)
    return ds


def ask(host, port, listen_port, how, uids):
    listener = AE("PACS01")
    listener.add_supported_context(COMMIT, scu_role=False, scp_role=True)
    server = listener.start_server(("127.0.0.1", int(listen_port)), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, on_report)])
    ae = AE("PACS01")
    ae.add_requested_context(COMMIT)
    assoc = ae.associate(host, int(port), ae_title="YINGKU", evt_handlers=[(evt.EVT_N_EVENT_REPORT, on_report)])
    assert assoc.is_established
    status, _ = assoc.send_n_action(request(uids.split(",")), 1, COMMIT, WELL_KNOWN)
    if how == "new":
        assoc.release()
    came = done.wait(120)
    if how == "same":
        assoc.release()
    all_gone(server)
    server.shutdown()
    print(json.dumps({"status": status.Status, "came": came, "told": told}))


def answer(listen_port, host, port, how, fail):
    def report_later(ds, assoc):
        info = Dataset()
        info.TransactionUID = ds.TransactionUID
        good, bad = [], []
        for item in ds.ReferencedSOPSequence:
            (bad if item.ReferencedSOPInstanceUID == fail else good).append(item)
        for item in bad:
            item.FailureReason = 0x0112
        if good:
            info.ReferencedSOPSequence = Sequence(good)
        if bad:
            info.FailedSOPSequence = Sequence(bad)
        event_type = 2 if bad else 1
        if how == "same":
            status, _ = assoc.send_n_event_report(info, event_type, COMMIT, WELL_KNOWN)
        else:
            ae = AE("PACS01")
            ae.add_requested_context(COMMIT)
            other = ae.associate(host, int(port), ae_title=assoc.requestor.ae_title, ext_neg=[build_role(COMMIT, scp_role=True)])
            status, _ = other.send_n_event_report(info, event_type, COMMIT, WELL_KNOWN)
            other.release()
        told.append(status.Status)
        done.set()

    def on_action(event):
        threading.Thread(target=report_later, args=(event.action_information, event.assoc)).start()
        return 0x0000, None

    ae = AE("UPSTREAM")
    ae.add_supported_context(COMMIT)
    server = ae.start_server(("127.0.0.1", int(listen_port)), block=False, evt_handlers=[(evt.EVT_N_ACTION, on_action)])
    print("listening", flush=True)
    done.wait(120)
    all_gone(server)
    server.shutdown()
    print(json.dumps(told))


def listen(listen_port, ae_title):
    listener = AE(ae_title)
    listener.add_supported_context(COMMIT, scu_role=False, scp_role=True)
    server = listener.start_server(("127.0.0.1", int(listen_port)), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, on_report)])
    print("listening", flush=True)
    came = done.wait(120)
    all_gone(server)
    server.shutdown()
    print(json.dumps(told[0]))
    sys.exit(0 if came else 1)


{"ask": ask, "answer": answer, "listen": listen}[sys.argv[1]](*sys.argv[2:])
