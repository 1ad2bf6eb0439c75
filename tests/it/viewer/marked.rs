//! What others have marked, written by pydicom: a key object selection, presentation states, images with tables; and objects
//! whose every word is hostile.

use std::path::Path;

use crate::harness::python_script;
use crate::pages::world::World;

/// The study of the phantom.
const STUDY: &str = "2.25.7000";
/// Series of the images with tables and functions, with the words by which a spec finds them.
pub const SHADES: [(&str, u32); 6] =
    [("voilut", 21), ("modalitylut", 22), ("sigmoid", 23), ("exact", 24), ("inverse", 25), ("signedlut", 26)];

/// Stores a key object selection: the sixth axial image, then the second sagittal one.
pub async fn store_key_objects(world: &World, exam: i64) {
    store(world, exam, KEY_OBJECTS, "").await;
}

/// Stores three presentation states for the third axial image, one of them as hostile as they come.
pub async fn store_presentation_states(world: &World, exam: i64) {
    store(world, exam, PRESENTATION_STATES, "").await;
}

/// Stores an image of more than sixteen million pixels, which a small machine should not unpack.
pub async fn store_large(world: &World, exam: i64) {
    store(world, exam, LARGE, "").await;
}

/// Stores the images of [`SHADES`], which differ in how their values become grey.
pub async fn store_shades(world: &World, exam: i64) {
    store(world, exam, SHADED, "").await;
}

/// Stores images whose meaning lies where few look for it: colours in segments of a palette, an overlay in the pixels, lengths
/// in regions.
pub async fn store_hidden(world: &World, exam: i64) {
    store(world, exam, HIDDEN, "").await;
}

/// Stores a stack, a presentation state and a key object selection that say `words` wherever a word can stand.
pub async fn store_hostile(world: &World, exam: i64, words: &str) {
    store(world, exam, HOSTILE, words).await;
}

async fn store(world: &World, exam: i64, script: &str, words: &str) {
    let folder = tempfile::tempdir().unwrap();
    let program = format!("{COMMON}\n{script}");
    python_script(&program, &[folder.path().to_str().unwrap(), STUDY, words]);
    let mut paths: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "the program writes files");
    for path in paths {
        keep(world, exam, &path).await;
    }
}

async fn keep(world: &World, exam: i64, path: &Path) {
    world.store_file(std::fs::read(path).unwrap(), exam).await;
}

const COMMON: &str = r#"
import sys
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

FOLDER, STUDY = sys.argv[1:3]
CT = "1.2.840.10008.5.1.4.1.1.2"

def base(sop_class, series, number, modality):
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID = sop_class
    data.SOPInstanceUID = f"{STUDY}.{series}.{number}"
    data.StudyInstanceUID = STUDY
    data.SeriesInstanceUID = f"{STUDY}.{series}"
    data.SeriesNumber = series
    data.InstanceNumber = number
    data.Modality = modality
    data.PatientName = "Ceshi^Jia=测试甲"
    data.PatientID = "P0001"
    data.StudyID = "1"
    data.AccessionNumber = ""
    data.StudyDate = data.ContentDate = "20260918"
    data.StudyTime = data.ContentTime = "080000"
    data.Manufacturer = "SYNTHETIC"
    return data

def item(**values):
    one = Dataset()
    for key, value in values.items():
        setattr(one, key, value)
    return one

def image(series, number):
    return item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=f"{STUDY}.{series}.{number}")

def save(data):
    data.file_meta = FileMetaDataset()
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.save_as(f"{FOLDER}/{data.SOPInstanceUID}.dcm", enforce_file_format=True)
"#;

const KEY_OBJECTS: &str = r#"
def code(value, scheme, meaning):
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)

data = base("1.2.840.10008.5.1.4.1.1.88.59", 30, 1, "KO")
data.ReferencedPerformedProcedureStepSequence = Sequence([])
series = [item(SeriesInstanceUID=f"{STUDY}.{n}", ReferencedSOPSequence=Sequence([image(n, at)])) for n, at in [(1, 6), (2, 2)]]
data.CurrentRequestedProcedureEvidenceSequence = Sequence([item(StudyInstanceUID=STUDY, ReferencedSeriesSequence=Sequence(series))])
data.ValueType = "CONTAINER"
data.ContinuityOfContent = "SEPARATE"
data.ConceptNameCodeSequence = Sequence([code("113000", "DCM", "Of Interest")])
words = item(RelationshipType="CONTAINS", ValueType="TEXT", TextValue="结节 <b>复查</b>")
words.ConceptNameCodeSequence = Sequence([code("113012", "DCM", "Key Object Description")])
images = [item(RelationshipType="CONTAINS", ValueType="IMAGE", ReferencedSOPSequence=Sequence([image(n, at)])) for n, at in [(1, 6), (2, 2)]]
data.ContentSequence = Sequence([words, *images])
save(data)
"#;

const PRESENTATION_STATES: &str = r#"
def state(number, label, description):
    data = base("1.2.840.10008.5.1.4.1.1.11.1", 31, number, "PR")
    data.ContentLabel = label
    data.ContentDescription = description
    data.ContentCreatorName = "Ceshi^Yi=测试乙"
    data.PresentationCreationDate = "20260918"
    data.PresentationCreationTime = "081500"
    data.ReferencedSeriesSequence = Sequence([item(SeriesInstanceUID=f"{STUDY}.1", ReferencedImageSequence=Sequence([image(1, 3)]))])
    data.PresentationLUTShape = "IDENTITY"
    return data

def graphic(kind, points, filled="N", units="PIXEL"):
    flat = [float(n) for point in points for n in point]
    return item(GraphicAnnotationUnits=units, GraphicDimensions=2, NumberOfGraphicPoints=len(points), GraphicData=flat, GraphicType=kind, GraphicFilled=filled)

data = state(1, "NODULE", "右肺结节标注")
data.SoftcopyVOILUTSequence = Sequence([item(WindowCenter="60", WindowWidth="300", WindowCenterWidthExplanation="MARKED")])
# The block of the phantom fills the displayed area.
area = item(DisplayedAreaTopLeftHandCorner=[65, 65], DisplayedAreaBottomRightHandCorner=[192, 192], PresentationSizeMode="SCALE TO FIT")
area.PresentationPixelSpacing = [0.5, 0.5]
data.DisplayedAreaSelectionSequence = Sequence([area])
text = item(BoundingBoxAnnotationUnits="PIXEL", UnformattedTextValue="结节 5 mm", BoundingBoxTopLeftHandCorner=[140.0, 70.0], BoundingBoxBottomRightHandCorner=[185.0, 80.0], BoundingBoxTextHorizontalJustification="LEFT")
text.AnchorPointAnnotationUnits = "PIXEL"
text.AnchorPoint = [100.0, 100.0]
text.AnchorPointVisibility = "Y"
marks = item(GraphicLayer="LAYER1", TextObjectSequence=Sequence([text]))
marks.GraphicObjectSequence = Sequence([
    graphic("POLYLINE", [(80, 150), (180, 150)]),
    graphic("CIRCLE", [(100, 100), (110, 100)]),
    graphic("ELLIPSE", [(130, 120), (170, 120), (150, 110), (150, 130)]),
    graphic("POINT", [(90, 90)]),
    graphic("INTERPOLATED", [(80, 170), (100, 180), (120, 170), (140, 180)]),
])
data.GraphicAnnotationSequence = Sequence([marks])
data.GraphicLayerSequence = Sequence([item(GraphicLayer="LAYER1", GraphicLayerOrder=1)])
save(data)

# Turned, inverted, with values that make no sense: it must neither end the page nor draw outside of the image's pane.
data = state(2, "TURNED", "<img src=x onerror=alert(1)>")
data.PresentationLUTShape = "INVERSE"
data.ImageRotation = 90
data.ImageHorizontalFlip = "N"
data.SoftcopyVOILUTSequence = Sequence([item(WindowCenter="40", WindowWidth="0")])
marks = item(GraphicLayer="LAYER1")
marks.GraphicObjectSequence = Sequence([
    graphic("POLYLINE", [(1e30, -1e30), (5, 5)]),
    graphic("ELLIPSE", [(1, 1), (2, 2)]),
    graphic("SOMETHING", [(1, 1), (2, 2)]),
])
data.GraphicAnnotationSequence = Sequence([marks])
save(data)

# Turned first, then mirrored.
data = state(3, "MIRRORED", "")
data.ImageRotation = 90
data.ImageHorizontalFlip = "Y"
save(data)
"#;

const SHADED: &str = r#"
EDGE = 128
ramp = np.add.outer(np.arange(EDGE) * 8, np.arange(EDGE) * 24).astype(np.uint16)

def picture(series, name, signed=0):
    data = base(CT, series, 1, "MR")
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    data.SeriesDescription = name
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.Rows = data.Columns = EDGE
    data.BitsAllocated = 16
    data.BitsStored = 12
    data.HighBit = 11
    data.PixelRepresentation = signed
    data.PixelData = ((ramp.astype(np.int32) - 2048) & 0xFFF if signed else ramp).astype(np.uint16).tobytes()
    return data

def table(first, entries, bits, vr="US"):
    one = Dataset()
    one.add_new(0x00283002, vr, [len(entries), first, bits])
    one.add_new(0x00283006, "OW", np.asarray(entries, dtype=np.uint16).tobytes())
    return one

wave = (2000 + 1900 * np.sin(np.arange(4096) / 300)).astype(int)
data = picture(21, "voilut")
data.VOILUTSequence = Sequence([table(0, wave, 12)])
save(data)
data = picture(22, "modalitylut")
one = table(100, (np.sqrt(np.arange(3000)) * 40).astype(int), 16)
one.ModalityLUTType = "OD"
data.ModalityLUTSequence = Sequence([one])
data.WindowCenter, data.WindowWidth = "1000", "1500"
save(data)
data = picture(23, "sigmoid")
data.WindowCenter, data.WindowWidth = "1800", "1200"
data.VOILUTFunction = "SIGMOID"
save(data)
data = picture(24, "exact")
data.WindowCenter, data.WindowWidth = "2000.5", "2000"
data.VOILUTFunction = "LINEAR_EXACT"
save(data)
data = picture(25, "inverse")
data.PresentationLUTShape = "INVERSE"
data.WindowCenter, data.WindowWidth = "2048", "4096"
save(data)
data = picture(26, "signedlut", signed=1)
data.RescaleSlope, data.RescaleIntercept = "1", "0"
data.VOILUTSequence = Sequence([table(-1000, np.linspace(0, 255, 1500).astype(int), 8, "SS")])
save(data)
"#;

const HIDDEN: &str = r#"
EDGE = 128

def picture(series, name, photometric, pixels, bits):
    data = base("1.2.840.10008.5.1.4.1.1.7", series, 1, "US")
    data.SeriesDescription = name
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = photometric
    data.Rows = data.Columns = EDGE
    data.BitsAllocated = 16 if bits > 8 else 8
    data.BitsStored = bits
    data.HighBit = bits - 1
    data.PixelRepresentation = 0
    data.PixelData = pixels.astype(np.uint16 if bits > 8 else np.uint8).tobytes()
    return data

# Red rises and falls, green rises, blue stays: all in segments of sixteen bits.
data = picture(28, "segments", "PALETTE COLOR", np.add.outer(np.arange(EDGE), np.arange(EDGE)), 8)
segments = {
    "Red": [0, 1, 0, 1, 127, 65535, 1, 128, 0],
    "Green": [0, 1, 0, 1, 255, 65535],
    "Blue": [0, 1, 40000, 1, 255, 40000],
}
for color, words in segments.items():
    setattr(data, f"{color}PaletteColorLookupTableDescriptor", [256, 0, 16])
    setattr(data, f"Segmented{color}PaletteColorLookupTableData", np.asarray(words, dtype=np.uint16).tobytes())
save(data)

# Twelve bits of one value; the thirteenth bit draws a block.
pixels = np.full((EDGE, EDGE), 1000, dtype=np.uint16)
pixels[32:64, 64:96] |= 1 << 12
data = picture(29, "overlay", "MONOCHROME2", pixels, 12)
data.WindowCenter, data.WindowWidth = "2000", "4000"
data.add_new(0x60000010, "US", EDGE)
data.add_new(0x60000011, "US", EDGE)
data.add_new(0x60000040, "CS", "G")
data.add_new(0x60000050, "SS", [1, 1])
data.add_new(0x60000100, "US", 16)
data.add_new(0x60000102, "US", 12)
save(data)

# Half a millimetre for a pixel in the upper half, speeds over time in the lower one.
def region(kind, top, bottom, units, deltas):
    return item(
        RegionSpatialFormat=kind, RegionDataType=kind, RegionFlags=0,
        RegionLocationMinX0=0, RegionLocationMinY0=top, RegionLocationMaxX1=EDGE - 1, RegionLocationMaxY1=bottom,
        PhysicalUnitsXDirection=units[0], PhysicalUnitsYDirection=units[1],
        PhysicalDeltaX=deltas[0], PhysicalDeltaY=deltas[1],
    )

data = picture(32, "regions", "MONOCHROME2", np.full((EDGE, EDGE), 80), 8)
data.SequenceOfUltrasoundRegions = Sequence([
    region(1, 0, 63, (3, 3), (0.05, 0.05)),
    region(3, 64, EDGE - 1, (4, 7), (0.01, -2.0)),
])
save(data)
"#;

const HOSTILE: &str = r#"
WORDS = sys.argv[3]
NAME = WORDS.replace("=", ":")

def hostile(sop_class, series, number, modality):
    data = base(sop_class, series, number, modality)
    # A name has three groups, and equals signs between them.
    data.PatientName = data.ReferringPhysicianName = data.OperatorsName = NAME
    data.SeriesDescription = data.StudyDescription = data.ProtocolName = data.InstitutionName = data.BodyPartExamined = WORDS
    data.Manufacturer = data.ManufacturerModelName = data.PatientComments = data.ImageComments = WORDS
    data.RequestAttributesSequence = Sequence([item(RequestedProcedureDescription=WORDS)])
    block = data.private_block(0x0029, WORDS, create=True)
    block.add_new(0x10, "LO", WORDS)
    return data

def code(value, scheme, meaning):
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)

for number in (1, 2, 3):
    data = hostile(CT, 60, number, "CT")
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.Rows = data.Columns = 64
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.PixelData = np.full((64, 64), 1064, dtype=np.uint16).tobytes()
    data.RescaleSlope, data.RescaleIntercept, data.RescaleType = "1", "-1024", WORDS
    data.WindowCenter, data.WindowWidth = ["40", "500"], ["400", "200"]
    data.WindowCenterWidthExplanation = [WORDS, WORDS]
    data.PixelSpacing = ["1", "1"]
    data.add_new(0x60000010, "US", 64)
    data.add_new(0x60000011, "US", 64)
    data.add_new(0x60000022, "LO", WORDS)
    data.add_new(0x60000040, "CS", "G")
    data.add_new(0x60000050, "SS", [1, 1])
    data.add_new(0x60000100, "US", 1)
    data.add_new(0x60000102, "US", 0)
    data.add_new(0x60001500, "LO", WORDS)
    data.add_new(0x60003000, "OW", bytes(512))
    save(data)

state = hostile("1.2.840.10008.5.1.4.1.1.11.1", 61, 1, "PR")
state.ContentLabel, state.ContentDescription, state.ContentCreatorName = "HOSTILE", WORDS, NAME
state.PresentationCreationDate, state.PresentationCreationTime = "20260918", "081500"
state.PresentationLUTShape = "IDENTITY"
state.ReferencedSeriesSequence = Sequence([item(SeriesInstanceUID=f"{STUDY}.60", ReferencedImageSequence=Sequence([image(60, 2)]))])
state.SoftcopyVOILUTSequence = Sequence([item(WindowCenter="60", WindowWidth="300", WindowCenterWidthExplanation=WORDS)])
text = item(AnchorPointAnnotationUnits="PIXEL", AnchorPoint=[10.0, 30.0], AnchorPointVisibility="Y", UnformattedTextValue=WORDS)
state.GraphicAnnotationSequence = Sequence([item(GraphicLayer="LAYER1", TextObjectSequence=Sequence([text]))])
state.GraphicLayerSequence = Sequence([item(GraphicLayer="LAYER1", GraphicLayerOrder=1, GraphicLayerDescription=WORDS)])
save(state)

keys = hostile("1.2.840.10008.5.1.4.1.1.88.59", 62, 1, "KO")
keys.ReferencedPerformedProcedureStepSequence = Sequence([])
series = [item(SeriesInstanceUID=f"{STUDY}.60", ReferencedSOPSequence=Sequence([image(60, 3)]))]
keys.CurrentRequestedProcedureEvidenceSequence = Sequence([item(StudyInstanceUID=STUDY, ReferencedSeriesSequence=Sequence(series))])
keys.ValueType, keys.ContinuityOfContent = "CONTAINER", "SEPARATE"
keys.ConceptNameCodeSequence = Sequence([code("X1", "99TEST", WORDS)])
words = item(RelationshipType="CONTAINS", ValueType="TEXT", TextValue=WORDS)
words.ConceptNameCodeSequence = Sequence([code("113012", "DCM", WORDS)])
marked = item(RelationshipType="CONTAINS", ValueType="IMAGE", ReferencedSOPSequence=Sequence([image(60, 3)]))
keys.ContentSequence = Sequence([words, marked])
save(keys)
"#;

const LARGE: &str = r#"
data = base("1.2.840.10008.5.1.4.1.1.7", 27, 1, "OT")
data.SeriesDescription = "large"
data.SamplesPerPixel = 1
data.PhotometricInterpretation = "MONOCHROME2"
data.Rows = data.Columns = 4200
data.BitsAllocated = data.BitsStored = 8
data.HighBit = 7
data.PixelRepresentation = 0
data.PixelData = bytes(4200 * 4200)
save(data)
"#;
