"""Writes images in forms that the viewer has decoded elsewhere or draws by itself, and what must be seen of them.

forms.py FOLDER: `NAME.dcm` and `cases.json`. Nothing here shares code with the archive or the viewer: the encoders are those of
libjpeg-turbo, CharLS, OpenJPEG and OpenJPH; what losses left is decoded by libjpeg (pylibjpeg), CharLS, OpenJPEG, OpenJPH and
libjpeg-turbo. Every picture is a board of blocks, so that the middle of a block is what it is however the picture is scaled.
"""

import json
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import pixel_array
from pydicom.sequence import Sequence

FOLDER = Path(sys.argv[1])
STUDY = "2.25.7000"
EDGE, BLOCK = 128, 32
ROOT = "1.2.840.10008.1.2"
EXPLICIT, RLE = ROOT + ".1", ROOT + ".5"
SECONDARY_CAPTURE, ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.2.1"
CASES = []
Y, X = np.mgrid[0:EDGE, 0:EDGE]
PLACE = X // BLOCK + 4 * (Y // BLOCK)

# Sixteen blocks over twelve bits, grained around their middles so that encoders have something to lose.
IS_MIDDLE = (np.abs(X % BLOCK - 15.5) < 8) & (np.abs(Y % BLOCK - 15.5) < 8)
GRAY = np.where(IS_MIDDLE, 200 + 230 * PLACE, 190 + 230 * PLACE + 3 * ((X * 5 + Y * 3) % 7)).astype(np.uint16)
COLORS = np.dstack([
    np.choose(PLACE % 4, [230, 40, 60, 200]),
    np.choose(PLACE // 4, [30, 120, 210, 170]),
    np.choose((PLACE + PLACE // 4) % 4, [50, 220, 110, 160]),
]).astype(np.uint8)


def item(**values):
    one = Dataset()
    for key, value in values.items():
        setattr(one, key, value)
    return one


def header(name, syntax, photometric, bits, samples=1, allocated=None, sop_class=SECONDARY_CAPTURE):
    series = 40 + len(CASES)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = sop_class
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = f"{STUDY}.{series}.1"
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientID, ds.PatientName, ds.StudyID, ds.AccessionNumber = "P0001", "Ceshi^Jia=测试甲", "1", ""
    ds.StudyDate, ds.StudyTime = "20260918", "080000"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = STUDY, f"{STUDY}.{series}"
    ds.SeriesNumber, ds.InstanceNumber, ds.Modality, ds.SeriesDescription = series, 1, "OT", name
    ds.Rows = ds.Columns = EDGE
    ds.SamplesPerPixel, ds.PhotometricInterpretation = samples, photometric
    ds.BitsAllocated = allocated or (16 if bits > 8 else 8)
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits - 1, 0
    if samples > 1:
        ds.PlanarConfiguration = 0
    return ds


def native(ds, values):
    ds.PixelData = values.astype("<u2" if ds.BitsAllocated == 16 else np.uint8).tobytes()
    ds["PixelData"].VR = "OW" if ds.BitsAllocated == 16 else "OB"


def put(ds, stream):
    ds.PixelData = encapsulate([stream])
    ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB"


def save(ds):
    path = FOLDER / f"{ds.SeriesDescription}.dcm"
    ds.save_as(path, enforce_file_format=True)
    return path


def drawn(values, center, width):
    """The grey of values as PS3.3 section C.11.2.1.2.1 says."""
    share = (values - (center - 0.5)) / (width - 1) + 0.5
    return np.floor(np.clip(share, 0, 1) * 255 + 0.5).astype(int)


def case(ds, frames, tolerance=0, marks=(), server=False):
    """`frames`: for each frame what its pixels say (`values`) and how they look (`grays` or `colors`), on request of the
    server's own picture too."""
    flat = lambda frame: {key: np.asarray(value).reshape(-1).tolist() if key in ("values", "grays", "colors") else value
                          for key, value in frame.items()}
    CASES.append({
        "name": str(ds.SeriesDescription), "series": str(ds.SeriesInstanceUID), "tolerance": tolerance,
        "lossy": ds.get("LossyImageCompression") == "01", "frames": [flat(frame) for frame in frames], "marks": list(marks),
        "server": server,
    })


def gray(name, syntax, bits, encode, lossy=False, judge=None, tolerance=0, photometric="MONOCHROME2"):
    """A grey image with a window over all its values. What losses left is what `judge` reads."""
    ds = header(name, ROOT + syntax, photometric, bits)
    stream = encode(GRAY)
    if stream is None:
        native(ds, GRAY)
    else:
        put(ds, stream)
    ds.WindowCenter, ds.WindowWidth = 2048, 4096
    if lossy:
        ds.LossyImageCompression = "01"
    path = save(ds)
    values = GRAY.astype(int)
    if lossy:
        values = (judge(stream) if judge else pixel_array(pydicom.dcmread(path), raw=True)).astype(int)
        off = np.abs(values - GRAY).max()
        assert 0 < off <= 60, f"{name}: the losses are {off}"
    grays = drawn(values, 2048, 4096)
    case(ds, [{"values": values, "grays": 255 - grays if photometric == "MONOCHROME1" else grays}], tolerance)


def grays():
    gray("extended", ".4.51", 12, lambda v: imagecodecs.jpeg8_encode(v, level=90, bitspersample=12), True, tolerance=1)
    gray("near-lossless", ".4.81", 12, lambda v: imagecodecs.jpegls_encode(v, level=3), True)
    gray("j2k-lossy", ".4.91", 16, lambda v: imagecodecs.jpeg2k_encode(v, level=80, reversible=False, codecformat="j2k"),
         True, imagecodecs.jpeg2k_decode, 1)
    for number in (201, 202, 203):
        gray(f"ht-{number}", f".4.{number}", 12, lambda v: imagecodecs.htj2k_encode(v, reversible=True))
    gray("lossy-ht", ".4.203", 16, lambda v: imagecodecs.htj2k_encode(v, reversible=False, level=0.0005),
         True, imagecodecs.htj2k_decode, 2)
    gray("bright-is-little", ".1", 12, lambda v: None, photometric="MONOCHROME1")


def colored(name, ds, colors, tolerance):
    off = np.abs(colors[16::BLOCK, 16::BLOCK].astype(int) - COLORS[16::BLOCK, 16::BLOCK]).max()
    assert off <= 6, f"{name}: the middles of its blocks are {off} apart"
    save(ds)
    case(ds, [{"colors": colors}], tolerance)


def ybr(rgb):
    r, g, b = (rgb[..., at].astype(float) for at in range(3))
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return np.clip(np.dstack([y, (b - y) / 1.772 + 128, (r - y) / 1.402 + 128]).round(), 0, 255).astype(np.uint8)


def pictures():
    for name, space, sampling in [("baseline-422", "YBR_FULL_422", "422"), ("baseline-420", "YBR_FULL_422", "420"),
                                  ("baseline-444", "YBR_FULL", "444")]:
        ds = header(name, ROOT + ".4.50", space, 8, 3)
        stream = imagecodecs.jpeg8_encode(COLORS, level=92, colorspace="rgb", outcolorspace="ycbcr", subsampling=sampling)
        put(ds, stream)
        ds.LossyImageCompression = "01"
        colored(name, ds, imagecodecs.jpeg8_decode(stream), 3)
    # Nothing in the stream says that these are no luminance and chrominance; the header does.
    ds = header("baseline-rgb", ROOT + ".4.50", "RGB", 8, 3)
    stream = imagecodecs.jpeg8_encode(COLORS, level=92, colorspace="rgb", outcolorspace="rgb")
    put(ds, stream)
    ds.LossyImageCompression = "01"
    colored("baseline-rgb", ds, imagecodecs.jpeg8_decode(stream, colorspace="rgb", outcolorspace="rgb"), 3)
    ds = header("plain-halves", EXPLICIT, "YBR_FULL_422", 8, 3)
    full = ybr(COLORS)
    native(ds, np.dstack([full[:, 0::2, 0], full[:, 1::2, 0], full[:, 0::2, 1], full[:, 0::2, 2]]))
    colored("plain-halves", ds, COLORS, 3)


def palette(name, syntax, bits, entry_bits, first):
    """Blocks are numbers from `first` on; numbers outside of the table take its ends."""
    ds = header(name, EXPLICIT, "PALETTE COLOR", bits)
    index = np.where(PLACE == 0, 0, PLACE + first)
    native(ds, index)
    table = COLORS[16::BLOCK, 16::BLOCK].reshape(16, 3)
    for at, color in enumerate(["Red", "Green", "Blue"]):
        setattr(ds, f"{color}PaletteColorLookupTableDescriptor", [16, first, entry_bits])
        entries = table[:, at].astype("<u2") * 257 if entry_bits == 16 else table[:, at]
        setattr(ds, f"{color}PaletteColorLookupTableData", entries.tobytes())
    if syntax == RLE:
        ds.compress(RLE, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    save(ds)
    case(ds, [{"colors": COLORS}], 2)


def palettes():
    palette("palette-wide", EXPLICIT, 16, 16, 100)
    palette("palette-bytes", EXPLICIT, 8, 8, 0)
    palette("palette-packed", RLE, 8, 16, 0)


def plane(ds, group, kind, origin, bits):
    ds.add_new((group, 0x0010), "US", bits.shape[0])
    ds.add_new((group, 0x0011), "US", bits.shape[1])
    ds.add_new((group, 0x0040), "CS", kind)
    ds.add_new((group, 0x0050), "SS", origin)
    ds.add_new((group, 0x0100), "US", 1)
    ds.add_new((group, 0x0102), "US", 0)
    packed = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    ds.add_new((group, 0x3000), "OW", packed + b"\0" * (len(packed) % 2))


def planes():
    """Two planes beside the pixels, each smaller than the image: lines of twelve pixels in one, all of the other."""
    ds = header("two-planes", EXPLICIT, "MONOCHROME2", 12)
    native(ds, np.full((EDGE, EDGE), 1000))
    ds.WindowCenter, ds.WindowWidth = 2048, 4096
    striped = np.zeros((36, 40), np.uint8)
    striped[12:24] = 1
    plane(ds, 0x6000, "G", [11, 21], striped)
    plane(ds, 0x6002, "R", [81, 61], np.ones((30, 50), np.uint8))
    save(ds)
    grays = drawn(np.full((EDGE, EDGE), 1000), 2048, 4096)
    marks = [
        # Column, row, what stands there over the image; rows 23 to 34 (from 1) of the first plane are marked.
        {"at": [40, 28], "alpha": 255}, {"at": [40, 16], "alpha": 0}, {"at": [40, 40], "alpha": 0},
        {"at": [12, 28], "alpha": 0}, {"at": [68, 28], "alpha": 0},
        {"at": [84, 94], "alpha": 110}, {"at": [52, 94], "alpha": 0}, {"at": [84, 72], "alpha": 0},
        {"at": [118, 94], "alpha": 0},
    ]
    case(ds, [{"values": np.full((EDGE, EDGE), 1000), "grays": grays}], 0, marks)


def enhanced():
    """Frames of one object, each with a window, a slope and a place of its own."""
    ds = header("enhanced", EXPLICIT, "MONOCHROME2", 12, sop_class=ENHANCED_CT)
    ds.Modality, ds.ImageType, ds.FrameOfReferenceUID = "CT", ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], f"{STUDY}.99"
    looks = [(40.0, 400.0, 1.0, -1024.0), (300.0, 1500.0, 2.0, -2048.0), (600.0, 800.0, 0.5, 10.5)]
    ds.NumberOfFrames = len(looks)
    stored = np.stack([(GRAY + 100 * at) % 4096 for at in range(len(looks))])
    native(ds, stored)
    ds.SharedFunctionalGroupsSequence = Sequence([item(
        PlaneOrientationSequence=Sequence([item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]),
        PixelMeasuresSequence=Sequence([item(PixelSpacing=[0.5, 0.5], SliceThickness=2)]),
    )])
    groups, frames = [], []
    for at, (center, width, slope, intercept) in enumerate(looks):
        groups.append(item(
            PlanePositionSequence=Sequence([item(ImagePositionPatient=[-32, -32, 5 * at])]),
            FrameVOILUTSequence=Sequence([item(WindowCenter=center, WindowWidth=width)]),
            PixelValueTransformationSequence=Sequence([item(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="HU")]),
        ))
        values = stored[at] * slope + intercept
        frames.append({"values": values, "grays": drawn(values, center, width), "unit": "HU",
                       "shows": {"width": int(width), "center": int(center), "sides": "L R P A"}})
    ds.PerFrameFunctionalGroupsSequence = Sequence(groups)
    save(ds)
    case(ds, frames)


def padded():
    """No window: one over all values that are values. Padding is one number of a signed image, and a range of an unsigned one."""
    kinds = [("padded-number", -100, 40, [-2000], True, 2), ("padded-range", 1000, 30, [60000, 65535], False, 1)]
    for name, start, step, padding, signed, slope in kinds:
        ds = header(name, EXPLICIT, "MONOCHROME2", 16)
        ds.PixelRepresentation = int(signed)
        ds.RescaleSlope, ds.RescaleIntercept = slope, -1000
        is_padding = (PLACE == 0) | (PLACE == 5)
        stored = np.where(is_padding, np.where(PLACE == 5, padding[0], padding[-1]), start + step * PLACE)
        native(ds, stored)
        # The value, and where it is a range its other end.
        ds.add_new((0x0028, 0x0120), "SS" if signed else "US", padding[-1])
        if len(padding) > 1:
            ds.add_new((0x0028, 0x0121), "US", padding[0])
        save(ds)
        values = stored * slope - 1000
        low, high = values[~is_padding].min(), values[~is_padding].max()
        case(ds, [{"values": values, "grays": drawn(values, (low + high) / 2 + 0.5, high - low + 1)}], server=True)


def shuttered():
    """What lies outside of any of three shapes is covered by a dark grey, of an image that is bright where little is stored."""
    ds = header("shuttered", EXPLICIT, "MONOCHROME1", 12)
    native(ds, GRAY)
    ds.WindowCenter, ds.WindowWidth = 2048, 4096
    ds.ShutterShape = ["RECTANGULAR", "CIRCULAR", "POLYGONAL"]
    ds.ShutterLeftVerticalEdge, ds.ShutterRightVerticalEdge = 33, EDGE
    ds.ShutterUpperHorizontalEdge, ds.ShutterLowerHorizontalEdge = 1, EDGE
    ds.CenterOfCircularShutter, ds.RadiusOfCircularShutter = [80, 80], 60
    ds.VerticesOfThePolygonalShutter = [1, 1, 1, EDGE, 80, EDGE, EDGE, 80, EDGE, 1]
    ds.ShutterPresentationValue = 64 << 8
    save(ds)
    row, column = Y + 1, X + 1
    seen = (column >= 33) & (np.hypot(row - 80, column - 80) <= 60) & (row + column <= EDGE + 80)
    grays = np.where(seen, 255 - drawn(GRAY.astype(int), 2048, 4096), 64)
    case(ds, [{"values": GRAY, "grays": grays}], server=True)


for make in [grays, pictures, palettes, planes, enhanced, padded, shuttered]:
    make()
(FOLDER / "cases.json").write_text(json.dumps({"edge": EDGE, "block": BLOCK, "cases": CASES}))
