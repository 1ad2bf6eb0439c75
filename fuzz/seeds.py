"""Writes what the fuzz targets begin with: seeds.py CORPUS. Everything is synthetic; frames come from the codecs' test."""

import io
import subprocess
import sys
import zlib
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pynetdicom.dimse_messages import C_ECHO_RQ, C_FIND_RQ, C_STORE_RQ
from pynetdicom.dimse_primitives import C_ECHO, C_FIND, C_STORE
from pynetdicom.pdu import A_ASSOCIATE_RQ, A_RELEASE_RQ, P_DATA_TF
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    A_RELEASE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
    P_DATA,
    SCP_SCU_RoleSelectionNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.presentation import build_context

CT = "1.2.840.10008.5.1.4.1.1.2"
corpus = Path(sys.argv[1])


def write(target, name, content):
    (corpus / target).mkdir(parents=True, exist_ok=True)
    (corpus / target / name).write_bytes(content)


def encoded(dataset, implicit=True, little=True):
    out = DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = implicit, little
    write_dataset(out, dataset)
    return out.getvalue()


def keys(**values):
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


IDENTIFIERS = [
    keys(QueryRetrieveLevel="STUDY", PatientID="L0001", StudyDate="20240101-20240301", ModalitiesInStudy="CT"),
    keys(QueryRetrieveLevel="SERIES", StudyInstanceUID=["2.25.1", "2.25.2"], Modality="", SeriesNumber="1"),
    keys(SpecificCharacterSet="GB18030", QueryRetrieveLevel="PATIENT", PatientName="王*=小明", PatientBirthDate=""),
    keys(SpecificCharacterSet="ISO_IR 192", QueryRetrieveLevel="IMAGE", SOPInstanceUID="2.25.1", InstanceNumber="7"),
]


def association():
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title, request.called_ae_title = "PACS01", "YINGKU"
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = 16382
    implementation.implementation_class_uid = "2.25.1"
    role, user = SCP_SCU_RoleSelectionNegotiation(), UserIdentityNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = CT, False, True
    user.user_identity_type, user.primary_field, user.secondary_field = 2, b"ct1", b"synthetic"
    request.user_information = [length, implementation, role, user]
    contexts = [build_context("1.2.840.10008.1.1"), build_context(CT), build_context("1.2.840.10008.5.1.4.1.2.2.1")]
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    request.presentation_context_definition_list = contexts
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(request)
    return pdu.encode()


def message(kind, primitive, context):
    whole = kind()
    whole.primitive_to_message(primitive)
    out = b""
    for data in whole.encode_msg(context, 16382):
        pdu = P_DATA_TF()
        pdu.from_primitive(data)
        out += pdu.encode()
    return out


def pdus():
    echo, store, find = C_ECHO(), C_STORE(), C_FIND()
    echo.MessageID, echo.AffectedSOPClassUID = 1, "1.2.840.10008.1.1"
    store.MessageID, store.AffectedSOPClassUID, store.AffectedSOPInstanceUID = 2, CT, "2.25.1"
    store.Priority, store.DataSet = 0, io.BytesIO(encoded(IDENTIFIERS[0]))
    find.MessageID, find.AffectedSOPClassUID, find.Priority = 3, "1.2.840.10008.5.1.4.1.2.2.1", 0
    find.Identifier = io.BytesIO(encoded(IDENTIFIERS[2]))
    release = A_RELEASE_RQ()
    release.from_primitive(A_RELEASE())
    messages = [message(C_ECHO_RQ, echo, 1), message(C_STORE_RQ, store, 3), message(C_FIND_RQ, find, 5)]
    write("pdu", "whole", association() + b"".join(messages) + release.encode())
    for number, one in enumerate(messages):
        write("pdu", f"message-{number}", association() + one)


def identifiers():
    for number, dataset in enumerate(IDENTIFIERS):
        for syntax, (implicit, little) in enumerate([(True, True), (False, True), (False, False)]):
            # The first byte says the transfer syntax (by three) and the level (by four, of the quotient).
            level = next(n for n in range(256) if n % 3 == syntax and n // 4 % 4 == number)
            write("identifier", f"{number}-{syntax}", bytes([level]) + encoded(dataset, implicit, little))
    item = keys(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID="2.25.1")
    action = keys(TransactionUID="2.25.9", ReferencedSOPSequence=Sequence([item]))
    write("identifier", "commitment", b"\0" + encoded(action))


def multiparts():
    body = b"--b0\r\nContent-Type: application/dicom\r\n\r\nDICM\r\n--b0\r\n\r\nsecond\r\n\r\n--b0\r\nA: b\r\n\r\n\r\n--b0--\r\n"
    write("multipart", "three", b"\x03" + body)
    write("multipart", "preamble", b"\x01text before\r\n" + body + b"epilogue")
    write("multipart", "content", b"\x07no boundary at all, only lines\r\nand -- dashes \r\n--b")
    write("multipart", "type", b'\x05multipart/related; type="application/dicom+json"; boundary="a b;c"')


def segments():
    # Lengths of records, then what is damaged.
    write("segment", "four", bytes([4, 1, 0, 0, 2, 255, 1, 0, 0, 3]))
    write("segment", "damaged", bytes([3, 10, 1, 20, 0, 30, 2, 0, 4, 255, 2, 1, 7]))


def frames(folder):
    subprocess.run([sys.executable, "tests/it/dicomweb/codecs.py", folder], check=True, stdout=subprocess.DEVNULL)
    for number, path in enumerate(sorted(Path(folder).glob("*.dcm"))):
        if path.stat().st_size < 20_000:
            write("frame", path.stem, b"\xff\0\0\0\0\0" + path.read_bytes())


def documents(folder):
    """What the pages' test shows that is no image."""
    script = "tests/it/pages/objects.py"
    subprocess.run([sys.executable, script, folder, "2.25.1"], check=True, stdout=subprocess.DEVNULL)
    for path in sorted(Path(folder).glob("*.dcm")):
        if path.stat().st_size < 100_000:
            write("document", path.stem, b"\0" + path.read_bytes())


def questions():
    for level, text in enumerate([
        "PatientName=王*&fuzzymatching=true&limit=5&offset=2&includefield=all",
        "00400275.00400009=S1&StudyDate=20240101-20240301&StudyTime=0800-&accept=application/dicom%2Bxml",
        "SOPInstanceUID=2.25.1,2.25.2&InstanceNumber=7&includefield=00080018",
    ]):
        write("question", f"search-{level}", bytes([level]) + text.encode())
    write("question", "fhir", b"\0patient.identifier=urn:x|1&date=ge2024-01-01&_include=DiagnosticReport:result&_count=5")
    write("question", "patient", b"\0ORG-T01..P0001")


def values():
    for number, text in enumerate(["<0.5\n0\n1.0\nH", "1:320\n\n\nmIU/L", "5-10\n0\n5\n/HP", "2024/3/22 21:01:07", "±"]):
        write("value", str(number), text.encode())
    write("value", "identity", b"990101199001010019")
    write("value", "text", b"\\ISO 2022 IR 149\n\x1b$)C\xb1\xe8\xc8\xf1\xc1\xdf")


def pictures(folder):
    from PIL import Image

    gray = Image.effect_noise((24, 16), 64)
    for name, picture, format, options in [
        ("gray.jpg", gray, "JPEG", {}),
        ("color.png", gray.convert("RGB"), "PNG", {}),
        ("palette.png", gray.convert("P"), "PNG", {}),
        ("lzw.tif", gray, "TIFF", {"compression": "tiff_lzw"}),
        ("fax.tif", gray.convert("1"), "TIFF", {"compression": "group4"}),
        ("pages.tif", gray.convert("RGB"), "TIFF", {"save_all": True, "append_images": [gray]}),
    ]:
        path = Path(folder) / name
        picture.save(path, format, **options)
        write("picture", name, bytes([["JPEG", "PNG", "TIFF"].index(format)]) + path.read_bytes())


def headers():
    for number, dataset in enumerate(IDENTIFIERS):
        write("header", f"implicit-{number}", b"\0\x10" + encoded(dataset))
        write("header", f"explicit-{number}", b"\x01\x10" + encoded(dataset, False))
        deflater = zlib.compressobj(wbits=-15)
        write("header", f"deflated-{number}", b"\x03\x10" + deflater.compress(encoded(dataset, False)) + deflater.flush())


if __name__ == "__main__":
    import tempfile

    pdus()
    identifiers()
    multiparts()
    segments()
    headers()
    questions()
    values()
    for seeds in [frames, documents, pictures]:
        with tempfile.TemporaryDirectory() as scratch:
            seeds(scratch)
