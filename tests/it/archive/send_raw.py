"""Sends DICOM files with pynetdicom, data sets as they are in the file.

Arguments: port, called AE title, calling AE title. Standard input: one path a line. For each file one line is printed
as soon as its response is there: "<status in hex> <SOP Instance UID> <path>", or "lost <SOP Instance UID> <path>" when
the association is gone. One association carries files of the same kind one after another.
"""

import sys

from pydicom import dcmread
from pynetdicom import AE, _config

_config.STORE_SEND_CHUNKED_DATASET = True
_config.UNRESTRICTED_STORAGE_SERVICE = True


def kind_of(path):
    meta = dcmread(path, specific_tags=["SOPInstanceUID"], stop_before_pixels=True, force=True).file_meta
    return meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID, meta.MediaStorageSOPInstanceUID


def main():
    port, called, calling = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    association, negotiated = None, None
    for path in (line.strip() for line in sys.stdin if line.strip()):
        sop_class, transfer_syntax, uid = kind_of(path)
        if association is None or negotiated != (sop_class, transfer_syntax) or not association.is_established:
            if association is not None and association.is_established:
                association.release()
            entity = AE(ae_title=calling)
            entity.maximum_pdu_size = 131072
            entity.add_requested_context(sop_class, transfer_syntax)
            association = entity.associate("127.0.0.1", port, ae_title=called)
            negotiated = (sop_class, transfer_syntax)
        answer = "lost"
        if association.is_established:
            try:
                status = association.send_c_store(path)
                answer = f"{status.Status:04X}" if "Status" in status else "lost"
            except (ValueError, RuntimeError, AttributeError) as error:
                print(f"{path}: {error}", file=sys.stderr)
        print(answer, uid, path, flush=True)
    if association is not None and association.is_established:
        association.release()


main()
