// In the place of dcmjs, which Cornerstone names for its dictionary, its log and a reader of files: a fourth of all that the
// engine's first image would wait for, while the viewer asks for none of it (its metadata are dicom/slice.ts and engine/loader.ts).
// Cornerstone looks the keywords of its own rules up while it is loaded, and ends where one is missing: these are all keywords of
// the dictionary that stand anywhere in @cornerstonejs/metadata 5.14.0.

const KEYWORDS = `
AccessionNumber 00080050 AcquisitionDate 00080022 AcquisitionDateTime 0008002A AcquisitionTime 00080032
ActualFrameDuration 00181242 AlphaPaletteColorLookupTableData 00281204 AlphaPaletteColorLookupTableDescriptor 00281104
AnatomicRegionSequence 00082218 AvailableTransferSyntaxUID 00083002 BitsAllocated 00280100 BitsStored 00280101
BluePaletteColorLookupTableData 00281203 BluePaletteColorLookupTableDescriptor 00281103 CTPositionSequence 00189326
CardiacNumberOfImages 00181090 ChannelDefinitionSequence 003A0200 ChannelSourceSequence 003A0208 ClinicalTrialSiteID 00120030
ClinicalTrialSiteName 00120031 ClinicalTrialSponsorName 00120010 ClinicalTrialSubjectID 00120040 CodeMeaning 00080104
CodeValue 00080100 Columns 00280011 ContentDate 00080023 ContentTime 00080033 CorrectedImage 00280051 Date 0040A121
DecayCorrection 00541102 DetectorInformationSequence 00540022 DiffusionBValue 00189087 DistanceSourceToDetector 00181110
DistanceSourceToEntrance 00400306 DistanceSourceToPatient 00181111 DoseGridScaling 3004000E DoseType 30040004
EchoTime 00180081 EstimatedRadiographicMagnificationFactor 00181114 FloatPixelData 7FE00008 FrameOfReferenceUID 00200052
FrameReferenceTime 00541300 FrameTime 00181063 GreenPaletteColorLookupTableData 00281202
GreenPaletteColorLookupTableDescriptor 00281102 GridFrameOffsetVector 3004000C HighBit 00280102
ImageOrientationPatient 00200037 ImagePositionPatient 00200032 ImageType 00080008 ImagerPixelSpacing 00181164
InStackPositionNumber 00209057 InstanceCreationDate 00080012 InstanceCreationTime 00080013 InstanceNumber 00200013
LossyImageCompression 00282110 LossyImageCompressionMethod 00282114 LossyImageCompressionRatio 00282112 Manufacturer 00080070
ManufacturerModelName 00081090 Modality 00080060 MultiplexGroupLabel 003A0020 NumberOfFrames 00280008
NumberOfSeriesRelatedInstances 00201209 NumberOfSlices 00540081 NumberOfWaveformChannels 003A0005
NumberOfWaveformSamples 003A0010 PaletteColorLookupTableUID 00281199 ParametricMapFrameTypeSequence 00409092
PatientAge 00101010 PatientBirthDate 00100030 PatientBirthTime 00100032 PatientID 00100020 PatientName 00100010
PatientSex 00100040 PatientSize 00101020 PatientWeight 00101030 PerFrameFunctionalGroupsSequence 52009230
PhotometricInterpretation 00280004 PhysicalDeltaX 0018602C PhysicalDeltaY 0018602E PhysicalUnitsXDirection 00186024
PhysicalUnitsYDirection 00186026 PixelData 7FE00010 PixelMeasuresSequence 00289110 PixelPaddingRangeLimit 00280121
PixelPaddingValue 00280120 PixelRepresentation 00280103 PixelSpacing 00280030 PixelSpacingCalibrationDescription 00280A04
PixelSpacingCalibrationType 00280A02 PixelValueTransformationSequence 00289145 PlanarConfiguration 00280006
PlaneOrientationSequence 00209116 PlanePositionSequence 00209113 PredecessorDocumentsSequence 0040A360
RadionuclideHalfLife 00181075 RadionuclideTotalDose 00181074 RadiopharmaceuticalStartDateTime 00181078
RadiopharmaceuticalStartTime 00181072 RadiopharmaceuticalStopTime 00181073 RealWorldValueMappingSequence 00409096
RecommendedDisplayFrameRate 00082144 RedPaletteColorLookupTableData 00281201 RedPaletteColorLookupTableDescriptor 00281101
ReferencePixelX0 00186020 ReferencePixelY0 00186022 ReferencedFrameNumber 00081160 ReferencedImageSequence 00081140
ReferencedSOPClassUID 00081150 ReferencedSOPInstanceUID 00081155 ReferencedSOPSequence 00081199
ReferencedSeriesSequence 00081115 RegionDataType 00186014 RegionFlags 00186016 RegionLocationMaxX1 0018601C
RegionLocationMaxY1 0018601E RegionLocationMinX0 00186018 RegionLocationMinY0 0018601A RegionSpatialFormat 00186012
RescaleIntercept 00281052 RescaleSlope 00281053 RescaleType 00281054 Rows 00280010 SOPClassUID 00080016
SOPInstanceUID 00080018 SamplesPerPixel 00280002 SamplingFrequency 003A001A SequenceOfUltrasoundRegions 00186011
SeriesDate 00080021 SeriesDescription 0008103E SeriesInstanceUID 0020000E SeriesNumber 00200011 SeriesTime 00080031
SharedFunctionalGroupsSequence 52009229 SliceLocation 00201041 SliceThickness 00180050 SliceVector 00540080
SpacingBetweenSlices 00180088 StackID 00209056 StudyDate 00080020 StudyDescription 00081030 StudyInstanceUID 0020000D
StudyTime 00080030 TemporalPositionIdentifier 00200100 TimeSlotVector 00540070 TransducerFrequency 00186030
TransferSyntaxUID 00020010 TriggerTime 00181060 UID 0040A124 Units 00541001 VOILUTFunction 00281056 ViewCodeSequence 00540220
WaveformBitsAllocated 54001004 WaveformData 54001010 WaveformSampleInterpretation 54001006 WaveformSequence 54000100
WindowCenter 00281050 WindowCenterWidthExplanation 00281055 WindowWidth 00281051
`;

const words = KEYWORDS.trim().split(/\s+/);
const nameMap: Record<string, { tag: string; name: string }> = {};
for (let at = 0; at + 1 < words.length; at += 2) {
  const [name, hex] = [words[at]!, words[at + 1]!];
  nameMap[name] = { tag: `(${hex.slice(0, 4)},${hex.slice(4)})`, name };
}

interface Log {
  trace(...said: unknown[]): void;
  debug(...said: unknown[]): void;
  info(...said: unknown[]): void;
  warn(...said: unknown[]): void;
  error(...said: unknown[]): void;
  getLevel(): number;
  setLevel(level: unknown): void;
  getLogger(name: string): Log;
}

/** Of trace, debug, info, warn and error, counted from 0: what loglevel says where nobody has set it. */
const WARN = 3;
const quiet = (): void => undefined;

const logOf = (): Log => ({
  trace: quiet,
  debug: quiet,
  info: quiet,
  warn: (...said) => console.warn(...said),
  error: (...said) => console.error(...said),
  getLevel: () => WARN,
  setLevel: quiet,
  // Each has a name of its own set on it.
  getLogger: () => logOf(),
});

export const log = logOf();

export const constants = {
  IMPLICIT_LITTLE_ENDIAN: '1.2.840.10008.1.2',
  EXPLICIT_LITTLE_ENDIAN: '1.2.840.10008.1.2.1',
  DEFLATED_EXPLICIT_LITTLE_ENDIAN: '1.2.840.10008.1.2.1.99',
  EXPLICIT_BIG_ENDIAN: '1.2.840.10008.1.2.2',
};

/** What reads files, which the viewer never does. */
class Absent {
  constructor() {
    throw new Error('not a part of the viewer');
  }
}

export default {
  data: { DicomMetaDictionary: { dictionary: {}, nameMap } },
  async: { AsyncDicomReader: Absent },
  utilities: { DicomMetadataListener: Absent },
};
