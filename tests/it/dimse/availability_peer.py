"""A receiver of Instance Availability Notifications. Arguments: PORT MANNER FILE; MANNER is keep, stumble (the first is
refused) or known (says that it has it). Each notification is a line of JSON in FILE."""
import json, sys
from pynetdicom import AE, evt

port, manner, path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
seen = []


def create(event):
    ds = event.attribute_list
    told = {
        "class": event.request.AffectedSOPClassUID,
        "uid": event.request.AffectedSOPInstanceUID,
        "study": ds.StudyInstanceUID,
        "steps": len(ds.ReferencedPerformedProcedureStepSequence),
        "instances": [
            [series.SeriesInstanceUID, one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID, one.InstanceAvailability, one.RetrieveAETitle]
            for series in ds.ReferencedSeriesSequence
            for one in series.ReferencedSOPSequence
        ],
    }
    seen.append(told)
    status = 0x0110 if manner == "stumble" and len(seen) == 1 else 0x0111 if manner == "known" else 0x0000
    told["status"] = status
    with open(path, "a") as out:
        print(json.dumps(told), file=out)
    return status, ds if status == 0 else None


ae = AE("RIS01")
ae.add_supported_context("1.2.840.10008.5.1.4.33")
server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_N_CREATE, create)])
print("listening", flush=True)
sys.stdin.read()
server.shutdown()
