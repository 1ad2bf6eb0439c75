"""Writes DICOM objects that are no images into a folder, by pydicom: objects.py FOLDER IMAGE [WORDS...].

Reports and key images refer to IMAGE; WORDS stand, one after the other, wherever the author of an object may write what he
likes, instead of ours.
"""

import base64
import itertools
import struct
import sys
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

FOLDER = Path(sys.argv[1])
ROOT = "1.2.840.10008.5.1.4.1.1."
HOSTILE = len(sys.argv) > 3
WORDS = itertools.cycle(sys.argv[3:])
# A name is divided by these signs.
NAMES = itertools.cycle([word for word in sys.argv[3:] if not set(word) & set("^=\\")] or sys.argv[3:])


def said(own):
    return next(WORDS) if HOSTILE else own


def called(own):
    return next(NAMES) if HOSTILE else own


def start(sop_class, uid, modality, syntax="1.2.840.10008.1.2.1", series=1):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = ROOT + sop_class
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = uid
    ds.SpecificCharacterSet = "GB18030"
    ds.PatientID, ds.PatientName, ds.PatientBirthDate, ds.PatientSex = "L0001", "Ceshi^Jia", "19900101", "M"
    ds.StudyDate, ds.StudyTime, ds.ContentDate, ds.ContentTime = "20260920", "083000", "20260920", "084500"
    ds.AccessionNumber, ds.StudyID, ds.ReferringPhysicianName = "A0001", "1", ""
    ds.Modality, ds.InstanceNumber, ds.SeriesNumber = modality, 1, series
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "2.25.8800", f"2.25.8800.{series}"
    ds.Manufacturer = "Example"
    return ds


def save(ds, name):
    ds.save_as(FOLDER / name, enforce_file_format=True)


def code(value, scheme, meaning):
    item = Dataset()
    if HOSTILE and scheme in ("DCM", "SCT"):
        # What a known code means is said by us, not by the object.
        value, scheme = "X1", "99TEST"
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, said(meaning)
    return Sequence([item])


def content(kind, name, relationship="CONTAINS", **values):
    item = Dataset()
    item.RelationshipType, item.ValueType = relationship, kind
    if name:
        item.ConceptNameCodeSequence = code(*name)
    for key, value in values.items():
        setattr(item, key, value)
    return item


def referenced(uid, sop_class="2", frames=None):
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = ROOT + sop_class, uid
    if frames:
        item.ReferencedFrameNumber = frames
    return Sequence([item])


def report(uid, image, name="report.dcm"):
    ds = start("88.33", uid, "SR", series=2)
    ds.SeriesDescription = said("结构化报告")
    ds.ValueType, ds.ContinuityOfContent = "CONTAINER", "SEPARATE"
    ds.ConceptNameCodeSequence = code("126000", "DCM", "Imaging Measurement Report")
    ds.CompletionFlag, ds.VerificationFlag = "COMPLETE", "UNVERIFIED"
    ds.PerformedProcedureCodeSequence, ds.ReferencedPerformedProcedureStepSequence = Sequence(), Sequence()
    number = Dataset()
    number.NumericValue, number.MeasurementUnitsCodeSequence = "12.5", code("mm", "UCUM", "millimeter")
    findings = content("CONTAINER", ("121070", "DCM", "Findings"), ContinuityOfContent="SEPARATE")
    findings.ContentSequence = Sequence([
        content("TEXT", ("121071", "DCM", "Finding"), TextValue=said("右肺上叶小结节。") + "\r\n<script>alert(1)</script>"),
        content("NUM", ("81827009", "SCT", "Diameter"), MeasuredValueSequence=Sequence([number])),
        content("CODE", ("272741003", "SCT", "Laterality"), ConceptCodeSequence=code("24028007", "SCT", "Right")),
        content("IMAGE", ("121080", "DCM", "Best illustration"), ReferencedSOPSequence=referenced(image)),
        content("IMAGE", None, ReferencedSOPSequence=referenced("2.25.999999")),
    ])
    observer = content("PNAME", ("121008", "DCM", "Person Observer Name"), "HAS OBS CONTEXT",
                       PersonName=called("Ceshi^Yi=测试^医生乙"))
    ds.ContentSequence = Sequence([observer, findings])
    save(ds, name)


def key_objects(uid, image):
    ds = start("88.59", uid, "KO", series=3)
    ds.ValueType, ds.ContinuityOfContent = "CONTAINER", "SEPARATE"
    ds.ConceptNameCodeSequence = code("113000", "DCM", "Of Interest")
    ds.ReferencedPerformedProcedureStepSequence = Sequence()
    ds.ContentSequence = Sequence([
        content("TEXT", ("113012", "DCM", "Key Object Description"), TextValue=said("结节最大层面")),
        content("IMAGE", None, ReferencedSOPSequence=referenced(image, frames=[1])),
    ])
    save(ds, "key_objects.dcm")


def encapsulated(name, uid, sop_class, media_type, data, series, modality="DOC"):
    ds = start(sop_class, uid, modality, series=series)
    ds.BurnedInAnnotation, ds.ConversionType = "YES", "WSD"
    ds.DocumentTitle, ds.MIMETypeOfEncapsulatedDocument = said("检查报告"), media_type
    ds.ConceptNameCodeSequence = Sequence()
    ds.EncapsulatedDocumentLength = len(data)
    ds.EncapsulatedDocument = data + b"\0" * (len(data) % 2)
    save(ds, name)


def pdf():
    text = b"BT /F1 24 Tf 72 700 Td (Synthetic) Tj ET"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 5 0 R/Resources<</Font<</F1 6 0 R>>>>>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(text), text),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1, table, len(objects) + 1, len(out))


CDA = f"""<?xml version="1.0" encoding="UTF-8"?><?xml-stylesheet href="http://evil.example/x.xsl" type="text/xsl"?>
<ClinicalDocument xmlns="urn:hl7-org:v3"><title>{escape(said("出院小结"))}</title><effectiveTime value="20260920084500"/>
<component><structuredBody><component><section><title>{escape(said("诊疗经过"))}</title><text><paragraph>{escape(said("经过"))} <content>顺利</content>。
<script>alert(1)</script><img src="http://evil.example/a.png"/></paragraph>
<table><tr><th>{escape(said("药品"))}</th></tr><tr><td>{escape(said("示例药"))}</td></tr></table></text></section></component></structuredBody></component>
</ClinicalDocument>""".encode()
CDA_PDF = b"""<ClinicalDocument xmlns="urn:hl7-org:v3"><title>%s</title><component><nonXMLBody>
<text mediaType="application/pdf" representation="B64">%s</text></nonXMLBody></component></ClinicalDocument>""" % (
    "检查报告".encode(), base64.encodebytes(pdf()))
BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><ClinicalDocument><title>&b;</title></ClinicalDocument>'


def still(name, uid, sop_class, modality, series, number):
    ds = start(sop_class, uid, modality, series=series)
    ds.InstanceNumber, ds.SeriesDescription = number, said("静态图像")
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = 16, 16, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.PixelData = bytes(range(256))
    save(ds, name)


# The film: ten frames of 200 ms, 48 columns by 32 rows, each of one grey, 20 brighter than the one before.
COLUMNS, ROWS, FRAMES, FRAME_MS = 48, 32, 10, 200


def unit(header, *fields):
    """A NAL unit of H.264: pairs of value and width in bits, numbers as Exp-Golomb codes (9.1), bytes where the next byte begins."""
    bits = ""
    for field in fields:
        if isinstance(field, bytes):
            bits += "0" * (-len(bits) % 8) + "".join(f"{byte:08b}" for byte in field)
        elif isinstance(field, tuple):
            bits += f"{field[0]:0{field[1]}b}"
        else:
            code = f"{field + 1:b}"
            bits += "0" * (len(code) - 1) + code
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    out, zeros = bytes([header]), 0
    for byte in int(bits, 2).to_bytes(len(bits) // 8, "big"):
        if zeros == 2 and byte <= 3:
            out, zeros = out + b"\x03", 0  # what looks like the start of a unit is none (7.4.1)
        out += bytes([byte])
        zeros = zeros + 1 if byte == 0 else 0
    return out


def frame(number):
    """One picture that needs no other: macroblocks of samples as they are (I_PCM, 7.3.5)."""
    picture = bytes([40 + 20 * number]) * 256 + b"\x80" * 128
    head = [0, 7, 0, (0, 4), number % 2, (0, 2), 0, 1]
    return unit(0x65, *head, *[25, picture] * (COLUMNS // 16 * ROWS // 16))


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind.encode()) + body


def mp4():
    """An MP4 file (ISO/IEC 14496-12, 14496-15) of H.264 in the constrained baseline profile, which every decoder knows."""
    sequence = unit(0x67, (0x42C01E, 24), 0, 0, 2, 1, (0, 1), COLUMNS // 16 - 1, ROWS // 16 - 1, (1, 1), (1, 1), (0, 1), (0, 1))
    picture = unit(0x68, 0, 0, (0, 1), (0, 1), 0, 0, 0, (0, 1), (0, 2), 0, 0, 0, (1, 1), (0, 1), (0, 1))
    frames = [struct.pack(">I", len(one)) + one for one in map(frame, range(FRAMES))]
    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    length, full = FRAMES * FRAME_MS, struct.pack(">I", 0)
    coding = b"\1" + sequence[1:4] + b"\xff\xe1" + struct.pack(">H", len(sequence)) + sequence
    coding += b"\1" + struct.pack(">H", len(picture)) + picture
    entry = struct.pack(">6xH16xHHII4xH32xHH", 1, COLUMNS, ROWS, 0x480000, 0x480000, 1, 24, 0xFFFF)
    kind = box("ftyp", b"isom", struct.pack(">I", 0x200), b"isomiso2avc1mp41")

    def movie(at):
        table = box("stbl",
            box("stsd", full, struct.pack(">I", 1), box("avc1", entry, box("avcC", coding))),
            box("stts", full, struct.pack(">3I", 1, FRAMES, FRAME_MS)),
            box("stsc", full, struct.pack(">4I", 1, 1, FRAMES, 1)),
            box("stsz", full, struct.pack(">2I", 0, FRAMES), *[struct.pack(">I", len(one)) for one in frames]),
            box("stco", full, struct.pack(">2I", 1, at)))
        place = box("dinf", box("dref", full, struct.pack(">I", 1), box("url ", struct.pack(">I", 1))))
        media = box("mdia",
            box("mdhd", full, struct.pack(">4I2H", 0, 0, 1000, length, 0x55C4, 0)),
            box("hdlr", full, b"\0\0\0\0vide" + bytes(13)),
            box("minf", box("vmhd", struct.pack(">I8x", 1)), place, table))
        track = box("tkhd", struct.pack(">6I8x4H", 7, 0, 0, 1, 0, length, 0, 0, 0, 0), matrix,
                    struct.pack(">2I", COLUMNS << 16, ROWS << 16))
        head = box("mvhd", full, struct.pack(">4IIH10x", 0, 0, 1000, length, 0x10000, 0x100), matrix, bytes(24), struct.pack(">I", 2))
        return box("moov", head, box("trak", track, media))

    start = len(kind) + len(movie(0)) + 8
    data = b"".join(frames)
    # A piece in a DICOM object has an even length.
    return kind + movie(start) + box("mdat", data + b"\0" * ((start + len(data)) % 2))


def film(name, uid, syntax, data, pieces, series, sop_class="77.1.1.1", modality="ES"):
    ds = start(sop_class, uid, modality, syntax, series)
    ds.SeriesDescription = said("胃镜录像")
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = ROWS, COLUMNS, 3, "YBR_PARTIAL_420"
    ds.PlanarConfiguration, ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 0, 8, 8, 7, 0
    ds.NumberOfFrames, ds.FrameTime = FRAMES, str(FRAME_MS)
    size = len(data) // pieces // 2 * 2  # a piece of odd length would be padded in the film's middle (PS3.5 section A.4)
    parts = [data[at:at + size] for at in range(0, len(data), size)]
    ds.PixelData = encapsulate(parts, has_bot=False)
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    save(ds, name)


def curves():
    """Two groups: 12 seconds of 3 channels in 16 bits, a pressure in 8 bits without sign."""
    ds = start("9.1.2", "2.25.8801", "ECG", series=9)
    seconds, hertz = 25, 100
    t = np.arange(seconds * hertz) / hertz
    groups = []
    for label, bits, kind, channels, unit in [("心电", 16, "SS", 3, "uV"), ("血压", 8, "UB", 1, "mm[Hg]")]:
        group = Dataset()
        group.MultiplexGroupLabel, group.WaveformOriginality = said(label), "ORIGINAL"
        group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = channels, len(t)
        group.SamplingFrequency = hertz
        group.WaveformBitsAllocated, group.WaveformSampleInterpretation = bits, kind
        definitions = []
        for channel in range(channels):
            item = Dataset()
            item.ChannelSourceSequence = code(f"2:{channel + 1}", "MDC", f"Lead {channel + 1}")
            item.ChannelSensitivity, item.ChannelSensitivityCorrectionFactor = "2.5", "1.1"
            item.ChannelSensitivityUnitsSequence = code(unit, "UCUM", unit)
            item.ChannelBaseline, item.ChannelSampleSkew, item.WaveformBitsStored = "40", "0", bits
            definitions.append(item)
        group.ChannelDefinitionSequence = Sequence(definitions)
        wave = np.stack([(150 * np.sin(2 * np.pi * (1 + c) * t)).round() for c in range(channels)], 1)
        stored = wave.astype("<i2") if bits == 16 else (wave / 2 + 100).astype(np.uint8)
        group.WaveformData = stored.tobytes()
        group["WaveformData"].VR = "OW" if bits == 16 else "OB"
        groups.append(group)
    ds.WaveformSequence = Sequence(groups)
    note = Dataset()
    note.UnformattedTextValue = said("窦性心律 <b>")
    ds.WaveformAnnotationSequence = Sequence([note])
    save(ds, "curves.dcm")
    microvolts = ds.waveform_array(0)[:, 1]
    (FOLDER / "curves.txt").write_text(" ".join(f"{value / 1000:.6f}" for value in microvolts[:1000]))


def recording(name, uid, sop_class, modality, series, leads, hertz, seconds):
    """Curves of their own class: in each lead 0.2 s of 1 mV every second, of 2 mV in the second half; one step is 2.5 uV."""
    ds = start(sop_class, uid, modality, series=series)
    t = np.arange(seconds * hertz) / hertz
    wave = np.where(t % 1 < 0.2, np.where(t < seconds / 2, 400, 800), 0).astype("<i2")
    group = Dataset()
    group.WaveformOriginality, group.SamplingFrequency = "ORIGINAL", hertz
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = len(leads), len(t)
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    definitions = []
    for lead, value in leads.items():
        item = Dataset()
        item.ChannelSourceSequence = code(value, "MDC" if value.startswith("2:") else "99TEST", f"Lead {lead}")
        item.ChannelSensitivity, item.ChannelSensitivityCorrectionFactor = "2.5", "1"
        item.ChannelSensitivityUnitsSequence = code("uV", "UCUM", "microvolt")
        item.ChannelBaseline, item.ChannelSampleSkew, item.WaveformBitsStored = "0", "0", 16
        definitions.append(item)
    group.ChannelDefinitionSequence = Sequence(definitions)
    group.WaveformData = np.repeat(wave, len(leads)).tobytes()
    group["WaveformData"].VR = "OW"
    ds.WaveformSequence = Sequence([group])
    save(ds, name)


image = sys.argv[2]
report("2.25.8802", image)
key_objects("2.25.8803", image)
encapsulated("pdf.dcm", "2.25.8804", "104.1", "application/pdf", pdf(), 4)
encapsulated("cda.dcm", "2.25.8805", "104.2", "text/XML", CDA, 5)
encapsulated("bomb.dcm", "2.25.8806", "104.2", "text/XML", BOMB, 6)
MP4 = mp4()
film("mp4.dcm", "2.25.8807", "1.2.840.10008.1.2.4.102", MP4, 1, 7)
film("pieces.dcm", "2.25.8808", "1.2.840.10008.1.2.4.102.1", MP4, 4, 8)
film("raw.dcm", "2.25.8809", "1.2.840.10008.1.2.4.107", b"\0\0\0\1\x67" + bytes(995), 1, 10)
(FOLDER / "film.bin").write_bytes(MP4)
# A clip of an ultrasound device, before the still of its series; an endoscope whose films are pictures; a film as a document.
film("clip.dcm", "2.25.8810", "1.2.840.10008.1.2.4.102", MP4, 1, 11, "3.1", "US")
still("still.dcm", "2.25.8811", "6.1", "US", 11, 2)
still("endoscopy.dcm", "2.25.8812", "77.1.1.1", "ES", 12, 1)
encapsulated("cda_pdf.dcm", "2.25.8814", "104.2", "text/XML", CDA_PDF, 14)
encapsulated("film_pdf.dcm", "2.25.8813", "104.1", "application/pdf", pdf(), 13, "EFILM")
curves()
# Twelve leads, three of another kind, and twenty minutes of two: each class of electrocardiogram; one that says it is something
# else; and curves that are none.
TWELVE = {"I": "2:1", "II": "2:2", "III": "2:61", "aVR": "2:62", "aVL": "2:63", "aVF": "2:64", "V1": "2:3", "V2": "2:4", "V3": "2:5",
          "V4": "2:6", "V5": "2:7", "V6": "2:8"}
recording("twelve.dcm", "2.25.8821", "9.1.1", "ECG", 21, TWELVE, 500, 10)
recording("general.dcm", "2.25.8822", "9.1.2", "ECG", 22, {"X": "X", "Y": "Y", "Z": "Z"}, 250, 10)
recording("ambulatory.dcm", "2.25.8823", "9.1.3", "ECG", 23, {"CM5": "CM5", "CC5": "CC5"}, 100, 1200)
recording("other.dcm", "2.25.8824", "9.1.1", "OT", 24, TWELVE, 500, 10)
for number, (sop_class, modality) in enumerate([("9.2.1", "HD"), ("9.7.4", "EEG"), ("9.6.1", "RESP")], 25):
    recording(f"{modality}.dcm", f"2.25.88{number}", sop_class, modality, number, {"A": "A"}, 100, 12)
