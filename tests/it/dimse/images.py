"""Images for conversions: `make folder` writes one of each shape, `compare` holds one that was sent against a reference.

`compare` takes JSON: pairs of [sent, reference, transfer syntax, tolerance of a sample].
"""

import json
import random
import sys

from pydicom import dcmread
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.dataset import Dataset

SHAPES = {
    # name: rows, columns, frames, samples, bits allocated, bits stored, signed
    "gray": (33, 17, 1, 1, 16, 16, 1),
    "twelve": (20, 30, 1, 1, 16, 12, 0),
    "frames": (33, 17, 3, 1, 8, 8, 0),
    "color": (24, 40, 1, 3, 8, 8, 0),
    "colors": (15, 21, 3, 3, 8, 8, 0),
}


def samples(shape):
    rows, columns, frames, planes, allocated, stored, signed = shape
    random.seed(7)
    out = bytearray()
    top = 1 << stored
    for frame in range(frames):
        for row in range(rows):
            for column in range(columns):
                for plane in range(planes):
                    # Smooth, so that lossy compression stays near, with some noise in the deep ones.
                    value = row * top // (2 * rows) + column * top // (4 * columns) + plane * 9 + frame * 5
                    value = (value + (random.randrange(40) if allocated == 16 else 0)) % top
                    if signed:
                        value = (value - top // 4) & 0xFFFF
                    out += value.to_bytes(allocated // 8, "little")
    return bytes(out) + b"\0" * (len(out) % 2)


def make(folder, names):
    for number, (name, kind) in enumerate(json.loads(names)):
        shape = SHAPES[kind]
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
        meta.MediaStorageSOPInstanceUID = "2.25.50.1.%d" % (number + 1)
        meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
        image = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        image.SpecificCharacterSet = "ISO_IR 192"
        image.PatientName, image.PatientID = "Ceshi^Jia=测试^甲", "L0001"
        image.StudyInstanceUID, image.SeriesInstanceUID = "2.25.50", "2.25.50.1"
        image.Modality, image.InstanceNumber, image.StudyDate = "OT", number + 1, "20240322"
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = meta.MediaStorageSOPClassUID, "2.25.1"
        image.ReferencedImageSequence = Sequence([reference])
        image.Rows, image.Columns, frames, image.SamplesPerPixel = shape[0], shape[1], shape[2], shape[3]
        if frames > 1:
            image.NumberOfFrames = frames
        image.PhotometricInterpretation = "RGB" if shape[3] == 3 else "MONOCHROME2"
        if shape[3] == 3:
            image.PlanarConfiguration = 0
        image.BitsAllocated, image.BitsStored, image.HighBit = shape[4], shape[5], shape[5] - 1
        image.PixelRepresentation = shape[6]
        image.PixelData = samples(shape)
        image["PixelData"].VR = "OW" if shape[4] == 16 else "OB"
        image.save_as("%s/%s.dcm" % (folder, name), enforce_file_format=True)


def pixels(image):
    data, planes = image.PixelData, image.SamplesPerPixel
    frames = int(image.get("NumberOfFrames", 1) or 1)
    size = image.Rows * image.Columns * planes * image.BitsAllocated // 8
    data = data[: size * frames]
    if image.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.2" and image.BitsAllocated == 16:
        swapped = bytearray(data)
        swapped[0::2], swapped[1::2] = data[1::2], data[0::2]
        data = bytes(swapped)
    if planes == 3 and image.PlanarConfiguration == 1:
        area = image.Rows * image.Columns
        parts = [data[at : at + size] for at in range(0, len(data), size)]
        data = b"".join(bytes(v for p in zip(f[:area], f[area : 2 * area], f[2 * area :]) for v in p) for f in parts)
    return data


def compare(pairs):
    faults = []
    same = ["Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"]
    same += ["PhotometricInterpretation", "NumberOfFrames", "LossyImageCompression", "LossyImageCompressionMethod"]
    same += ["PatientName", "SOPInstanceUID", "InstanceNumber", "ReferencedImageSequence"]
    for sent, reference, syntax, tolerance in json.loads(pairs):
        one, other = dcmread(sent), dcmread(reference)
        found = one.file_meta.TransferSyntaxUID
        if found != syntax:
            faults.append("%s came in %s" % (sent, found))
        for keyword in same:
            if one.get(keyword) != other.get(keyword):
                faults.append("%s: %s is %s, not %s" % (sent, keyword, one.get(keyword), other.get(keyword)))
        mine, theirs = pixels(one), pixels(other)
        if len(mine) != len(theirs):
            faults.append("%s: %d bytes, not %d" % (sent, len(mine), len(theirs)))
        worst = max((abs(a - b) for a, b in zip(mine, theirs)), default=-1)
        if worst > tolerance:
            faults.append("%s: samples differ by %d" % (sent, worst))
        if len(one.PixelData) % 2:
            faults.append("%s: an odd length" % sent)
    print(json.dumps(faults))


if sys.argv[1] == "make":
    make(sys.argv[2], sys.argv[3])
else:
    compare(sys.argv[2])
