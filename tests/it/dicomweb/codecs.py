"""Writes DICOM files in every transfer syntax, photometric interpretation and depth, and what they mean.

codecs.py FOLDER: `NAME.dcm`, `NAME.raw` (the pixels as the header describes them, little endian) and `NAME.rgb` (the
picture as it must look); prints a list of cases. Nothing here shares code with the archive: the encoders are those of
libjpeg-turbo, OpenJPEG, OpenJPH, CharLS, libjxl and DCMTK; what losses left is decoded by libjpeg (pylibjpeg),
libjpeg-turbo, OpenJPH and libjxl.
"""

import copy
import json
import subprocess
import sys
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.pixels import apply_modality_lut, apply_rescale, apply_voi, apply_windowing, pixel_array
from pydicom.sequence import Sequence

ROWS, COLUMNS = 46, 62
FOLDER = Path(sys.argv[1])
ROOT = "1.2.840.10008.1.2"
IMPLICIT, EXPLICIT, BIG = ROOT, ROOT + ".1", ROOT + ".2"
DEFLATED, ENCAPSULATED, RLE, DEFLATED_FRAME = ROOT + ".1.99", ROOT + ".1.98", ROOT + ".5", ROOT + ".8.1"
CASES = []


def gray(bits, signed=False):
    """A slope with waves and a sharp edge over all values of so many bits."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    share = 0.1 + 0.6 * x / COLUMNS + 0.15 * np.sin(y / 5) * np.cos(x / 7) + 0.15 * (y > 30)
    values = np.clip(np.round(share * (2**bits - 1)), 0, 2**bits - 1).astype(np.int64)
    values[0, 0], values[0, 1] = 0, 2**bits - 1
    if signed:
        values -= 2 ** (bits - 1)
    size = 8 if bits <= 8 else 16 if bits <= 16 else 32
    return values.astype(f"{'int' if signed else 'uint'}{size}")


def colors():
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    red = 128 + 100 * np.sin(x / 9)
    green = 128 + 100 * np.cos(y / 7)
    blue = 4 * x * (y < 30) + 20
    return np.clip(np.dstack([red, green, blue]).round(), 0, 255).astype(np.uint8)


def ybr_of(rgb):
    r, g, b = (rgb[..., i].astype(float) for i in range(3))
    y = 0.299 * r + 0.587 * g + 0.114 * b
    cb = (b - y) / 1.772 + 128
    cr = (r - y) / 1.402 + 128
    return np.clip(np.dstack([y, cb, cr]).round(), 0, 255).astype(np.uint8)


def rgb_of(ybr):
    y, cb, cr = (ybr[..., i].astype(float) for i in range(3))
    r = y + 1.402 * (cr - 128)
    g = y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128)
    b = y + 1.772 * (cb - 128)
    return np.clip(np.dstack([r, g, b]).round(), 0, 255).astype(np.uint8)


def header(syntax, photometric, bits_allocated, bits, signed, samples, planar=None):
    uid = f"2.25.77{len(CASES):04}"
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = uid
    ds.PatientID, ds.PatientName, ds.StudyDate, ds.StudyTime = "L0001", "Test^A", "20240322", "144606"
    ds.AccessionNumber, ds.Modality, ds.InstanceNumber, ds.SeriesNumber = "A0001", "OT", len(CASES) + 1, 1
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "2.25.7700", "2.25.7700.1"
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = ROWS, COLUMNS, samples, photometric
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits_allocated, bits, bits - 1, int(signed)
    if samples > 1:
        ds.PlanarConfiguration = planar or 0
    return ds


def save(ds, path):
    """Writes the file also in transfer syntaxes that pydicom does not know."""
    syntax = ds.file_meta.TransferSyntaxUID
    ds.file_meta.ImplementationClassUID = "2.25.1"
    file = DicomBytesIO()
    file.write(bytes(128) + b"DICM")
    write_file_meta_info(file, ds.file_meta, enforce_standard=True)
    body = DicomBytesIO()
    body.is_implicit_VR, body.is_little_endian = syntax == IMPLICIT, syntax != BIG
    write_dataset(body, ds)
    data = body.getvalue()
    if syntax == DEFLATED:
        squeeze = zlib.compressobj(wbits=-15)
        data = squeeze.compress(data) + squeeze.flush()
        data += b"\0" * (len(data) % 2)
    path.write_bytes(file.getvalue() + data)


def case(name, ds, raw, rgb, raw_tolerance=0, picture_tolerance=1, check=True):
    """`raw` None: without compression the frame cannot be had; `rgb` None: neither a picture."""
    path = FOLDER / f"{name}.dcm"
    if not path.exists():
        save(ds, path)
    if check and raw is not None:
        # The encoders are judged before the archive is.
        judged = pixel_array(pydicom.dcmread(path), raw=True)
        judged = judged.astype(np.int64) if judged.ndim == 2 or raw.shape == judged.shape else None
        if judged is not None and raw.shape == judged.shape:
            off = np.abs(judged - raw.astype(np.int64)).max()
            assert off <= raw_tolerance, f"{name}: the judges are {off} apart"
    if raw is not None:
        (FOLDER / f"{name}.raw").write_bytes(raw.astype(raw.dtype.newbyteorder("<")).tobytes())
    if rgb is not None:
        (FOLDER / f"{name}.rgb").write_bytes(np.ascontiguousarray(rgb, np.uint8).tobytes())
    CASES.append({
        "name": name, "uid": str(ds.SOPInstanceUID), "sample_bytes": 0 if raw is None else raw.dtype.itemsize,
        "signed": raw is not None and raw.dtype.kind == "i", "has_raw": raw is not None, "has_picture": rgb is not None,
        "raw_tolerance": raw_tolerance, "picture_tolerance": picture_tolerance,
    })


def window(ds, values, slope=1.0, intercept=0.0):
    """Sets a window over the middle of the values and draws them as PS3.3 C.11.2.1.2.1 says."""
    low, high = np.percentile(values * slope + intercept, [10, 90])
    center, width = float(round((low + high) / 2)), float(max(2, round(high - low)))
    ds.WindowCenter, ds.WindowWidth = center, width
    if (slope, intercept) != (1.0, 0.0):
        ds.RescaleSlope, ds.RescaleIntercept = slope, intercept
    return draw(values, center, width, slope, intercept)


def draw(values, center, width, slope=1.0, intercept=0.0):
    x = values.astype(float) * slope + intercept
    level = ((x - (center - 0.5)) / (width - 1) + 0.5) * 255
    level = np.floor(np.clip(level, 0, 255) + 0.5).astype(np.uint8)
    return np.dstack([level] * 3)


def put(ds, stream, frames=1):
    ds.PixelData = encapsulate([stream] * frames)
    ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB"


def native(ds, values):
    data = values.astype(values.dtype.newbyteorder("<")).tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OW" if ds.BitsAllocated > 8 else "OB"


def mono(name, syntax, bits, signed, encode, losses=None, photometric="MONOCHROME2", slope=1.0, intercept=0.0):
    """A grey image; `losses` is the tolerance, its expectation then comes from the judge's decoder."""
    values = gray(bits, signed)
    ds = header(syntax, photometric, values.dtype.itemsize * 8, bits, signed, 1)
    stream = encode(values, ds)
    if stream is not None:
        put(ds, stream)
    rgb = window(ds, values, slope, intercept)
    if losses is not None:
        path = FOLDER / f"{name}.dcm"
        save(ds, path)
        values = losses[1](stream) if len(losses) > 1 else pixel_array(pydicom.dcmread(path), raw=True)
        values = values.astype(gray(bits, signed).dtype)
        rgb = draw(values, ds.WindowCenter, ds.WindowWidth, slope, intercept)
    if photometric == "MONOCHROME1":
        rgb = 255 - rgb
    step = 255.0 / (float(ds.WindowWidth) - 1) * abs(slope)
    tolerance = 1 if losses is None else 1 + int(np.ceil(losses[0] * step))
    unknown_to_pydicom = syntax in (ENCAPSULATED, DEFLATED_FRAME) or ".4.9" in syntax[-5:] or ".4.11" in syntax
    case(name, ds, values, rgb, losses[0] if losses else 0, tolerance, check=not unknown_to_pydicom)


def uncompressed():
    for label, syntax in [("implicit", IMPLICIT), ("explicit", EXPLICIT), ("big", BIG), ("deflated", DEFLATED)]:
        for bits, signed in [(8, False), (8, True), (10, False), (12, False), (12, True), (16, False), (16, True)]:
            def plain(values, ds, big=syntax == BIG):
                native(ds, values)
                if big:
                    if ds.BitsAllocated > 8:
                        ds.PixelData = values.astype(values.dtype.newbyteorder(">")).tobytes()
                        ds["PixelData"].VR = "OW"
            photometric = "MONOCHROME1" if bits == 10 else "MONOCHROME2"
            sign = "s" if signed else "u"
            mono(f"{label}-{sign}{bits}", syntax, bits, signed, plain, None, photometric,
                 *((2.0, -1000.0) if bits == 12 else (1.0, 0.0)))
        rgb = colors()
        for planar in (0, 1):
            ds = header(syntax, "RGB", 8, 8, False, 3, planar)
            shaped = rgb.transpose(2, 0, 1).copy() if planar else rgb
            native(ds, shaped)
            case(f"{label}-rgb-{planar}", ds, shaped, rgb, check=not planar)
            ds = header(syntax, "YBR_FULL", 8, 8, False, 3, planar)
            ybr = ybr_of(rgb)
            shaped = ybr.transpose(2, 0, 1).copy() if planar else ybr
            native(ds, shaped)
            case(f"{label}-ybr-{planar}", ds, shaped, rgb_of(ybr), check=not planar)
        ybr = ybr_of(rgb)
        halved = np.zeros((ROWS, COLUMNS // 2, 4), np.uint8)
        halved[..., 0], halved[..., 1] = ybr[:, 0::2, 0], ybr[:, 1::2, 0]
        halved[..., 2], halved[..., 3] = ybr[:, 0::2, 1], ybr[:, 0::2, 2]
        spread = ybr.copy()
        spread[:, 1::2, 1:] = ybr[:, 0::2, 1:]
        ds = header(syntax, "YBR_FULL_422", 8, 8, False, 3)
        native(ds, halved)
        case(f"{label}-ybr-422", ds, halved, rgb_of(spread), check=False)
        palette(label, syntax, 8, 16, False)
        palette(label, syntax, 16, 16, False)
        palette(label, syntax, 8, 8, False)
        palette(label, syntax, 8, 16, True)
    for syntax, label in [(EXPLICIT, "explicit"), (BIG, "big")]:
        values = gray(16).astype(np.uint32) * 65536
        ds = header(syntax, "MONOCHROME2", 32, 32, False, 1)
        data = values.astype(">u4" if syntax == BIG else "<u4")
        ds.PixelData, ds["PixelData"].VR = data.tobytes(), "OW"
        rgb = window(ds, values)
        case(f"{label}-u32", ds, values, rgb, check=False)
    # Samples in the upper bits, something else in the lower ones.
    values = gray(12)
    ds = header(EXPLICIT, "MONOCHROME2", 16, 12, False, 1)
    ds.HighBit = 15
    stored = ((values.astype(np.uint16) << 4) | 5).astype(np.uint16)
    native(ds, stored)
    case("explicit-high-bits", ds, stored, window(ds, values), check=False)
    bits = (gray(8) > 128).astype(np.uint8)
    ds = header(EXPLICIT, "MONOCHROME2", 1, 1, False, 1)
    packed = np.packbits(bits.reshape(-1), bitorder="little")
    ds.PixelData, ds["PixelData"].VR = packed.tobytes() + b"\0" * (len(packed) % 2), "OB"
    ds.WindowCenter, ds.WindowWidth = 0.5, 1
    case("explicit-u1", ds, None, np.dstack([bits * 255] * 3), check=False)
    for element, kind in [("FloatPixelData", "<f4"), ("DoubleFloatPixelData", "<f8")]:
        values = (gray(12).astype(float) / 1000).astype(kind)
        ds = header(EXPLICIT, "MONOCHROME2", 32 if kind == "<f4" else 64, 16, False, 1)
        del ds.BitsStored, ds.HighBit, ds.PixelRepresentation
        setattr(ds, element, values.tobytes())
        ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = 2.0, 2.0, "LINEAR_EXACT"
        level = np.floor(np.clip((values - 2.0) / 2.0 + 0.5, 0, 1) * 255 + 0.5).astype(np.uint8)
        case(f"explicit-{element}", ds, None, np.dstack([level] * 3), check=False)


def palette(label, syntax, bits, entry_bits, segmented):
    first = 0 if bits == 8 else 100
    count = 256 if bits == 8 else 4096
    index = (gray(8) if bits == 8 else gray(12)).astype(np.uint8 if bits == 8 else np.uint16)
    ds = header(syntax, "PALETTE COLOR", bits, 8 if bits == 8 else 16, False, 1)
    native(ds, index)
    if syntax == BIG and bits > 8:
        ds.PixelData = index.astype(">u2").tobytes()
    ramp = np.arange(count) * 255 // (count - 1)
    tables = [ramp, 255 - ramp, (ramp * 7) % 256]
    if segmented:
        tables = [ramp, 255 - ramp, np.where(np.arange(count) < 128, 0, 255)]
    order = ">u2" if syntax == BIG else "<u2"
    for color, table in zip(["Red", "Green", "Blue"], tables):
        scale = 257 if entry_bits == 16 else 1
        setattr(ds, f"{color}PaletteColorLookupTableDescriptor", [count, first, entry_bits])
        words = (table * scale).astype(np.uint16)
        if segmented:
            up = [0, 1, 0, 1, count - 1, 65535]
            down = [0, 1, 65535, 1, count - 1, 0]
            steps = [0, 1, 0, 1, 127, 0, 0, 1, 65535, 1, 127, 65535]
            data = {"Red": up, "Green": down, "Blue": steps}[color]
            setattr(ds, f"Segmented{color}PaletteColorLookupTableData", np.array(data, order).tobytes())
        elif entry_bits == 8:
            data = table.astype(np.uint8)
            if syntax == BIG:
                data = data.reshape(-1, 2)[:, ::-1].copy()
            setattr(ds, f"{color}PaletteColorLookupTableData", data.tobytes())
        else:
            setattr(ds, f"{color}PaletteColorLookupTableData", words.astype(order).tobytes())
    at = np.clip(index.astype(int) - first, 0, count - 1)
    rgb = np.dstack([table[at] for table in tables]).astype(np.uint8)
    kind = "segmented" if segmented else str(entry_bits)
    case(f"{label}-palette-{bits}-{kind}", ds, index, rgb, check=False)


def run_lengths():
    for bits, signed in [(8, False), (12, True), (16, False)]:
        def rle(values, ds):
            native(ds, values)
            ds.file_meta.TransferSyntaxUID = EXPLICIT
            ds.compress(RLE, encoding_plugin="pylibjpeg", generate_instance_uid=False)
        mono(f"rle-{bits}", RLE, bits, signed, rle)
    rgb = colors()
    ds = header(EXPLICIT, "RGB", 8, 8, False, 3)
    native(ds, rgb)
    ds.compress(RLE, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    case("rle-rgb", ds, rgb, rgb)


def other_encapsulated():
    def plain(values, ds):
        return values.astype(values.dtype.newbyteorder("<")).tobytes()

    def deflated(values, ds):
        squeeze = zlib.compressobj(wbits=-15)
        data = squeeze.compress(plain(values, ds)) + squeeze.flush()
        return data + b"\0" * (len(data) % 2)
    mono("encapsulated-16", ENCAPSULATED, 16, False, plain)
    mono("deflated-frame-12", DEFLATED_FRAME, 12, True, deflated)


def jpeg():
    for syntax, label in [(".4.50", "baseline"), (".4.51", "extended")]:
        uid = ROOT + syntax
        mono(f"jpeg-{label}-8", uid, 8, False, lambda v, ds: imagecodecs.jpeg8_encode(v, level=90), (1,))
        for space, sampling in [("YBR_FULL_422", "422"), ("YBR_FULL_422", "420"), ("YBR_FULL", "444"), ("RGB", None)]:
            rgb = colors()
            if space == "RGB":
                stream = imagecodecs.jpeg8_encode(rgb, level=90, colorspace="rgb", outcolorspace="rgb")
            else:
                stream = imagecodecs.jpeg8_encode(rgb, level=90, colorspace="rgb", outcolorspace="ycbcr",
                                                  subsampling=sampling)
            ds = header(uid, space, 8, 8, False, 3)
            put(ds, stream)
            decoded = imagecodecs.jpeg8_decode(stream) if space != "RGB" else \
                imagecodecs.jpeg8_decode(stream, colorspace="rgb", outcolorspace="rgb")
            raw, tolerance = decoded, 2
            if space != "RGB":
                raw, tolerance = ybr_of(decoded), 4
            if space == "YBR_FULL_422":
                halved = np.zeros((ROWS, COLUMNS // 2, 4), np.uint8)
                halved[..., 0], halved[..., 1] = raw[:, 0::2, 0], raw[:, 1::2, 0]
                pairs = raw.astype(int)
                for channel in (1, 2):
                    halved[..., 1 + channel] = (pairs[:, 0::2, channel] + pairs[:, 1::2, channel] + 1) // 2
                # Decoders differ in how they smooth shared colours: sharp edges come out unlike.
                raw, tolerance = halved, 60
            picture = 60 if sampling in ("422", "420") else 3
            case(f"jpeg-{label}-{space.lower()}-{sampling}", ds, raw, decoded, tolerance, picture, check=False)
    mono("jpeg-extended-12", ROOT + ".4.51", 12, False,
         lambda v, ds: imagecodecs.jpeg8_encode(v, level=95, bitspersample=12), (1,))
    for label, options, syntax in [
        ("lossless-14", ["+el"], ".4.57"), ("lossless-sv1", ["+e1"], ".4.70"),
    ] + [(f"lossless-sv{n}", ["+el", "+sv", str(n)], ".4.57") for n in range(2, 8)]:
        for bits, signed in [(8, False), (12, False), (16, False), (16, True)]:
            dcmtk(f"jpeg-{label}-{'s' if signed else 'u'}{bits}", options, ROOT + syntax, bits, signed)
    rgb = colors()
    for label, options in [("sv1", ["+e1"]), ("14", ["+el", "+sv", "4"])]:
        name = f"jpeg-lossless-{label}-rgb"
        ds = header(EXPLICIT, "RGB", 8, 8, False, 3)
        native(ds, rgb)
        by_dcmtk(name, ds, options)
        case(name, ds, rgb, rgb)
    dcmtk("jpeg-dcmtk-extended-12", ["+ee", "+q", "95"], ROOT + ".4.51", 12, False, (1,))
    dcmtk("jpeg-dcmtk-spectral-8", ["+es", "+q", "95"], ROOT + ".4.53", 8, False, (1,))
    dcmtk("jpeg-dcmtk-progressive-8", ["+ep", "+q", "95"], ROOT + ".4.55", 8, False, (1,))
    for label, option, syntax in [("extended", "+ee", ".4.51"), ("spectral", "+es", ".4.53"), ("progressive", "+ep", ".4.55")]:
        if label != "extended":
            dcmtk(f"jpeg-dcmtk-{label}-12", [option, "+q", "95"], ROOT + syntax, 12, False, (1,))
        # RGB; then luminance, and chrominance of which every pixel, two, or four have a sample.
        for sampling, space in [("cr", "RGB"), ("s4", "YBR_FULL"), ("s2", "YBR_FULL_422"), ("n1", "YBR_FULL"),
                                ("np", "YBR_FULL_422")]:
            options = [option, "+q", "95", "+" + sampling]
            dcmtk_colors(f"jpeg-dcmtk-{label}-12-{sampling}", options, ROOT + syntax, space)
    arithmetic()


def by_dcmtk(name, ds, options):
    plain = FOLDER / "plain.tmp"
    save(ds, plain)
    subprocess.run(["dcmcjpeg", "-q", "+un", *options, str(plain), str(FOLDER / f"{name}.dcm")], check=True)
    plain.unlink()


def dcmtk(name, options, syntax, bits, signed, losses=None):
    values = gray(bits, signed)
    ds = header(EXPLICIT, "MONOCHROME2", values.dtype.itemsize * 8, bits, signed, 1)
    native(ds, values)
    rgb = window(ds, values)
    by_dcmtk(name, ds, options)
    found = pydicom.dcmread(FOLDER / f"{name}.dcm")
    assert found.file_meta.TransferSyntaxUID == syntax, (name, found.file_meta.TransferSyntaxUID)
    if losses:
        values = decompressed(name, []).pixel_array.astype(values.dtype)
        rgb = draw(values, ds.WindowCenter, ds.WindowWidth)
    tolerance = 1 + (int(np.ceil(losses[0] * 255 / ds.WindowWidth)) if losses else 0)
    case(name, ds, values, rgb, losses[0] if losses else 0, tolerance, check=False)


def decompressed(name, options):
    plain = FOLDER / "decoded.tmp"
    subprocess.run(["dcmdjpeg", "-q", *options, str(FOLDER / f"{name}.dcm"), str(plain)], check=True)
    found = pydicom.dcmread(plain)
    plain.unlink()
    return found


def dcmtk_colors(name, options, syntax, space):
    """Colours of 12 bits, with losses: the frame is what the components hold, the picture their upper 8 bits in RGB."""
    ds = header(EXPLICIT, "RGB", 16, 12, False, 3)
    native(ds, colors().astype(np.uint16) * 16)
    by_dcmtk(name, ds, options)
    found = pydicom.dcmread(FOLDER / f"{name}.dcm")
    described = (str(found.file_meta.TransferSyntaxUID), str(found.PhotometricInterpretation), found.BitsStored)
    assert described == (syntax, space, 12), (name, described)
    words = lambda options: np.frombuffer(decompressed(name, options).PixelData, "<u2")[:ROWS * COLUMNS * 3]
    raw = words(["+cn"]).reshape(ROWS, COLUMNS, 3)
    rgb = words([]).reshape(ROWS, COLUMNS, 3) >> 4
    if space == "YBR_FULL_422":
        halved = np.zeros((ROWS, COLUMNS // 2, 4), np.uint16)
        halved[..., 0], halved[..., 1] = raw[:, 0::2, 0], raw[:, 1::2, 0]
        for channel in (1, 2):
            halved[..., 1 + channel] = (raw[:, 0::2, channel] + raw[:, 1::2, channel] + 1) // 2
        raw = halved
    case(name, ds, raw, rgb, 2, 3, check=False)


def arithmetic():
    """Codes that nobody wrote and few can read: refused, and never drawn wrongly."""
    for syntax, frame in [(".4.52", 0xC9), (".4.54", 0xCA), (".4.56", 0xCA), (".4.58", 0xCB)]:
        for bits in (8, 12):
            ds = header(ROOT + syntax, "MONOCHROME2", 16 if bits > 8 else 8, bits, False, 1)
            put(ds, bytes([0xFF, 0xD8, 0xFF, frame, 0, 11, bits, 0, ROWS, 0, COLUMNS, 1, 1, 0x11, 0,
                           0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 1, 2, 3, 0xFF, 0xD9, 0]))
            case(f"jpeg-arithmetic{syntax}-{bits}", ds, None, None, check=False)


def jpeg_ls():
    for bits, signed in [(8, False), (10, False), (12, False), (16, False), (16, True), (12, True)]:
        def ls(values, ds):
            native(ds, values)
            ds.file_meta.TransferSyntaxUID = EXPLICIT
            ds.compress(ROOT + ".4.80", encoding_plugin="pyjpegls", generate_instance_uid=False)
        mono(f"ls-{'s' if signed else 'u'}{bits}", ROOT + ".4.80", bits, signed, ls)
    near = lambda v, _: imagecodecs.jpegls_encode(v, level=3)
    mono("ls-near-8", ROOT + ".4.81", 8, False, near, (0,))
    mono("ls-near-16", ROOT + ".4.81", 16, False, near, (0,))
    rgb = colors()
    for planar in (0, 1):
        ds = header(EXPLICIT, "RGB", 8, 8, False, 3, 0)
        native(ds, rgb)
        ds.PlanarConfiguration = 0
        if planar:
            native(ds, rgb.transpose(2, 0, 1).copy())
            ds.PlanarConfiguration = 1
        ds.compress(ROOT + ".4.80", encoding_plugin="pyjpegls", generate_instance_uid=False)
        planar_now = ds.PlanarConfiguration
        raw = rgb.transpose(2, 0, 1).copy() if planar_now else rgb
        case(f"ls-rgb-{planar}", ds, raw, rgb, check=not planar_now)


def jpeg_2000():
    for syntax, label in [(".4.90", "j2k"), (".4.92", "j2k-part2")]:
        for bits, signed in [(8, False), (10, False), (12, False), (12, True), (16, False), (16, True), (8, True)]:
            def lossless(values, ds):
                return imagecodecs.jpeg2k_encode(values, reversible=True, codecformat="j2k", bitspersample=bits)
            mono(f"{label}-{'s' if signed else 'u'}{bits}", ROOT + syntax, bits, signed, lossless)
    rgb = colors()
    for mct, space in [(True, "YBR_RCT"), (False, "RGB")]:
        ds = header(ROOT + ".4.90", space, 8, 8, False, 3)
        put(ds, imagecodecs.jpeg2k_encode(rgb, reversible=True, codecformat="j2k", mct=mct))
        case(f"j2k-{space.lower()}", ds, rgb, rgb)
    for syntax, label in [(".4.91", "j2k-lossy"), (".4.93", "j2k-part2-lossy")]:
        lossy = lambda v, ds: imagecodecs.jpeg2k_encode(v, level=50, reversible=False, codecformat="j2k")
        for bits in (8, 16):
            mono(f"{label}-{bits}", ROOT + syntax, bits, False, lossy, (1, imagecodecs.jpeg2k_decode))
        ds = header(ROOT + syntax, "YBR_ICT", 8, 8, False, 3)
        stream = imagecodecs.jpeg2k_encode(rgb, level=45, reversible=False, codecformat="j2k", mct=True)
        put(ds, stream)
        decoded = imagecodecs.jpeg2k_decode(stream)
        case(f"{label}-ict", ds, decoded, decoded, 1, 2, check=False)
    # A JP2 file where a codestream belongs: against the standard, and met.
    mono("j2k-boxed", ROOT + ".4.90", 12, False,
         lambda v, ds: imagecodecs.jpeg2k_encode(v, reversible=True, codecformat="jp2", bitspersample=12))
    for syntax, label in [(".4.201", "ht"), (".4.202", "ht-rpcl"), (".4.203", "ht-any")]:
        for bits, signed in [(8, False), (12, False), (16, False), (16, True)]:
            mono(f"{label}-{'s' if signed else 'u'}{bits}", ROOT + syntax, bits, signed,
                 lambda v, ds: imagecodecs.htj2k_encode(v, reversible=True))
        ds = header(ROOT + syntax, "YBR_RCT", 8, 8, False, 3)
        put(ds, imagecodecs.htj2k_encode(rgb, reversible=True, rgb=True))
        case(f"{label}-rct", ds, rgb, rgb)
    mono("ht-lossy-16", ROOT + ".4.203", 16, False,
         lambda v, ds: imagecodecs.htj2k_encode(v, reversible=False, level=0.0005), (2, imagecodecs.htj2k_decode))


def jpeg_xl():
    for bits in (8, 12, 16):
        mono(f"xl-{bits}", ROOT + ".4.110", bits, False,
             lambda v, ds: imagecodecs.jpegxl_encode(v, lossless=True, bitspersample=bits, usecontainer=bits == 12),
             (0, lambda stream: imagecodecs.jpegxl_decode(stream)))
    rgb = colors()
    stream = imagecodecs.jpegxl_encode(rgb, lossless=True)
    ds = header(ROOT + ".4.110", "RGB", 8, 8, False, 3)
    put(ds, stream)
    case("xl-rgb", ds, rgb, rgb, check=False)
    stream = imagecodecs.jpegxl_encode(rgb, distance=1.0)
    ds = header(ROOT + ".4.112", "RGB", 8, 8, False, 3)
    put(ds, stream)
    decoded = imagecodecs.jpegxl_decode(stream)
    case("xl-lossy-rgb", ds, decoded, decoded, 2, 2, check=False)
    stream = imagecodecs.jpegxl_encode_jpeg(imagecodecs.jpeg8_encode(gray(8), level=90))
    ds = header(ROOT + ".4.111", "MONOCHROME2", 8, 8, False, 1)
    put(ds, stream)
    decoded = imagecodecs.jpegxl_decode(stream)
    window(ds, decoded)
    case("xl-recompressed", ds, decoded, draw(decoded, ds.WindowCenter, ds.WindowWidth), 1, 3, check=False)


def films():
    for syntax in [".4.100", ".4.101", ".4.102", ".4.103", ".4.104", ".4.105", ".4.106", ".4.107", ".4.108",
                   ".4.100.1", ".4.102.1", ".4.94", ".4.204", ".7.1"]:
        ds = header(ROOT + syntax, "YBR_PARTIAL_420", 8, 8, False, 3)
        put(ds, b"\0\0\0\x18ftypmp42" + bytes(64))
        case(f"film{syntax}", ds, None, None, check=False)


def looks():
    """What stands between pixels and picture, as pydicom applies it, and what lies over the picture."""
    values = gray(12)
    base = lambda: header(EXPLICIT, "MONOCHROME2", 16, 12, False, 1)
    def level(share):
        return np.dstack([np.floor(np.clip(share, 0, 1) * 255 + 0.5).astype(np.uint8)] * 3)
    for function in ["LINEAR", "LINEAR_EXACT", "SIGMOID"]:
        ds = base()
        native(ds, values)
        ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = 2000, 1500, function
        ds.RescaleSlope, ds.RescaleIntercept = 1, 0
        applied = apply_windowing(apply_rescale(values, ds), ds)
        case(f"look-{function.lower()}", ds, values, level(applied / 4095), check=False)
    lut = Dataset()
    lut.LUTDescriptor, lut.LUTExplanation = [4096, 0, 16], "curve"
    lut.ModalityLUTType = "US"
    lut["LUTDescriptor"].VR = "US"
    lut.LUTData = (np.sqrt(np.arange(4096) / 4095) * 65535).astype(int).tolist()
    lut["LUTData"].VR = "US"
    ds = base()
    native(ds, values)
    ds.ModalityLUTSequence = Sequence([lut])
    ds.WindowCenter, ds.WindowWidth = 32768, 65536
    modality = apply_modality_lut(values, ds)
    case("look-modality-lut", ds, values, draw(modality, 32768, 65536), check=False)
    voi = copy.deepcopy(lut)
    del voi.ModalityLUTType
    ds = base()
    native(ds, values)
    ds.VOILUTSequence = Sequence([voi])
    case("look-voi-lut", ds, values, level(apply_voi(values, ds) / 65535), check=False)
    ds = base()
    native(ds, values)
    rgb = window(ds, values)
    ds.PresentationLUTShape = "INVERSE"
    case("look-inverse", ds, values, 255 - rgb, check=False)
    ds = base()
    native(ds, values)
    rgb = window(ds, values)
    ds.ShutterShape, ds.ShutterLeftVerticalEdge, ds.ShutterRightVerticalEdge = "RECTANGULAR", 11, 50
    ds.ShutterUpperHorizontalEdge, ds.ShutterLowerHorizontalEdge = 6, 40
    covered = np.zeros_like(rgb)
    covered[5:40, 10:50] = rgb[5:40, 10:50]
    case("look-shutter", ds, values, covered, check=False)
    marks = np.zeros((ROWS, COLUMNS), bool)
    marks[3:9, 20:31] = True
    ds = base()
    native(ds, values)
    rgb = window(ds, values)
    ds.add_new(0x60000010, "US", ROWS)
    ds.add_new(0x60000011, "US", COLUMNS)
    ds.add_new(0x60000040, "CS", "G")
    ds.add_new(0x60000050, "SS", [1, 1])
    ds.add_new(0x60000100, "US", 1)
    ds.add_new(0x60000102, "US", 0)
    bits = np.packbits(marks.reshape(-1), bitorder="little").tobytes()
    ds.add_new(0x60003000, "OW", bits + b"\0" * (len(bits) % 2))
    over = rgb.copy()
    over[marks] = 255
    case("look-overlay", ds, values, over, check=False)
    stored = values | (marks.astype(np.uint16) << 13)
    ds = base()
    native(ds, stored)
    rgb = window(ds, values)
    ds.add_new(0x60000010, "US", ROWS)
    ds.add_new(0x60000011, "US", COLUMNS)
    ds.add_new(0x60000050, "SS", [1, 1])
    ds.add_new(0x60000100, "US", 16)
    ds.add_new(0x60000102, "US", 13)
    over = rgb.copy()
    over[marks] = 255
    case("look-overlay-in-pixels", ds, stored, over, check=False)
    ds = base()
    native(ds, values)
    ds.NumberOfFrames = 1
    frame, shared = Dataset(), Dataset()
    voi, transform = Dataset(), Dataset()
    voi.WindowCenter, voi.WindowWidth = 3000, 2000
    transform.RescaleSlope, transform.RescaleIntercept, transform.RescaleType = 2, -500, "US"
    frame.FrameVOILUTSequence, shared.PixelValueTransformationSequence = Sequence([voi]), Sequence([transform])
    ds.PerFrameFunctionalGroupsSequence, ds.SharedFunctionalGroupsSequence = Sequence([frame]), Sequence([shared])
    case("look-functional-groups", ds, values, draw(values, 3000, 2000, 2, -500), check=False)


for make in [uncompressed, run_lengths, other_encapsulated, jpeg, jpeg_ls, jpeg_2000, jpeg_xl, films, looks]:
    make()
print(json.dumps({"rows": ROWS, "columns": COLUMNS, "cases": CASES}))
