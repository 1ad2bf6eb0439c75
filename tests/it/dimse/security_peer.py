"""A caller with a chosen identity. Arguments: PORT JSON, where JSON may have
user, passcode: the identity; role: propose the provider's role for CT; store: send one CT.
Prints one JSON line: whether the association opened, what was answered, and each context's result."""
import json, sys
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.pdu import A_ASSOCIATE_RJ
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassCommonExtendedNegotiation,
    UserIdentityNegotiation,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
CONTEXTS = {
    "echo": "1.2.840.10008.1.1",
    "store": CT,
    "find": "1.2.840.10008.5.1.4.1.2.2.1",
    "move": "1.2.840.10008.5.1.4.1.2.2.2",
    "get": "1.2.840.10008.5.1.4.1.2.2.3",
    "commit": "1.2.840.10008.1.20.1",
}

port, wanted = int(sys.argv[1]), json.loads(sys.argv[2])
ae = AE(ae_title="PACS01")
ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 60
for uid in CONTEXTS.values():
    ae.add_requested_context(uid, ExplicitVRLittleEndian)

items = []
if "user" in wanted:
    identity = UserIdentityNegotiation()
    identity.user_identity_type = 2 if "passcode" in wanted else 1
    identity.primary_field = wanted["user"].encode()
    identity.secondary_field = wanted.get("passcode", "").encode()
    identity.positive_response_requested = True
    items.append(identity)
if wanted.get("role"):
    items.append(build_role(CT, scp_role=True))
window = AsynchronousOperationsWindowNegotiation()
window.maximum_number_operations_invoked = 8
window.maximum_number_operations_performed = 8
items.append(window)
common = SOPClassCommonExtendedNegotiation()
common.sop_class_uid = CT
common.service_class_uid = "1.2.840.10008.4.2"
items.append(common)

# pynetdicom sometimes loses a rejection between its own threads (it calls the association aborted then), so what came
# over the wire is what counts.
pdus = []
seen = [(evt.EVT_PDU_RECV, lambda event: pdus.append(event.pdu))]
assoc = ae.associate("127.0.0.1", port, ae_title="YINGKU", ext_neg=items, evt_handlers=seen)
rejection = next((pdu for pdu in pdus if isinstance(pdu, A_ASSOCIATE_RJ)), None)
told = {"open": assoc.is_established, "rejected": rejection is not None}
if rejection is not None:
    told["reason"] = [rejection.result, rejection.source, rejection.reason_diagnostic]
else:
    results = {cx.abstract_syntax: cx.result for cx in assoc.accepted_contexts + assoc.rejected_contexts}
    told["contexts"] = {name: results[uid] for name, uid in CONTEXTS.items()}
# pynetdicom aborts an association without any accepted context.
if assoc.is_established:
    told["operations"] = list(assoc.acceptor.asynchronous_operations)
    told["identity"] = assoc.acceptor.user_identity is not None
    if told["contexts"]["echo"] == 0:
        told["echo"] = assoc.send_c_echo().get("Status")
    if wanted.get("store"):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID, ds.SOPInstanceUID = CT, "2.25.77"
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.PatientID = "2.25.78", "2.25.79", "L0001"
        # The role that it may not take is not its own business here: it sends all the same.
        for cx in assoc._accepted_cx.values():
            cx._as_scu = True
        told["stored"] = assoc.send_c_store(ds).get("Status")
    assoc.release()
print(json.dumps(told))
