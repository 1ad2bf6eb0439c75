// Frames as Cornerstone takes them: an image loader and the metadata that rendering and measuring ask for.

import { cache, Enums, imageLoader, metaData, type Types, utilities } from '@cornerstonejs/core';
import { number, text } from '../dicom/json.ts';
import { loadFrame } from '../dicom/frames.ts';
import { lookOfTable, type Table } from '../dicom/lookup.ts';
import type { Color, Gray } from '../dicom/pixels.ts';
import { regionsOf } from '../dicom/regions.ts';
import type { Slice } from '../dicom/slice.ts';
import { GrayLevels, keepLook } from './shade.ts';

const slices = new Map<string, Slice>();

export function register(all: Slice[]): void {
  for (const slice of all) slices.set(slice.imageId, slice);
}

export const sliceById = (imageId: string): Slice | undefined => slices.get(imageId);

/** What is left to turn a number of an image into the unit of its object. */
export interface Rescaled {
  slope: number;
  intercept: number;
}

const rescaled = new Map<string, Rescaled>();

export const rescaleOf = (imageId: string): Rescaled => rescaled.get(imageId) ?? { slope: 1, intercept: 0 };

export function installLoader(isCpu: boolean): void {
  cache.setMaxCacheSize(cacheBytes());
  imageLoader.registerImageLoader('yingku', (imageId: string) => ({ promise: load(imageId, isCpu).catch(noted) }));
  window.addEventListener('unhandledrejection', (event) => failures.has(event.reason as object) && event.preventDefault());
  metaData.addProvider((type: string, imageId: string) => {
    const slice = slices.get(imageId);
    return slice ? moduleOf(type, slice) : undefined;
  }, 10000);
}

function cacheBytes(): number {
  const memory = (navigator as { deviceMemory?: number }).deviceMemory ?? 4;
  const isSmall = Math.min(window.screen.width, window.screen.height) < 700;
  return isSmall ? 300 << 20 : Math.min(1536, memory * 192) * (1 << 20);
}

/** Why images could not be loaded: who asked for them is told, but Cornerstone's cache leaves a promise of its own unanswered. */
const failures = new WeakSet<object>();

function noted(error: object): never {
  failures.add(error);
  throw error;
}

async function load(imageId: string, isCpu: boolean): Promise<Types.IImage> {
  const slice = slices.get(imageId);
  if (!slice) throw new Error('no such image');
  const { pixels, table } = await loadFrame(slice, !isCpu);
  return pixels.kind === 'gray' ? grayImage(slice, pixels, table) : colorImage(slice, pixels, isCpu);
}

function common(slice: Slice) {
  const rows = number(slice.data, '00280010') ?? 0;
  const columns = number(slice.data, '00280011') ?? 0;
  return {
    imageId: slice.imageId,
    rows,
    columns,
    height: rows,
    width: columns,
    rowPixelSpacing: slice.plane.spacing[0],
    columnPixelSpacing: slice.plane.spacing[1],
    calibration: calibrationOf(slice),
    preScale: { enabled: false, scaled: false },
    // Windows are drawn by shade.ts, whatever their function.
    voiLUTFunction: Enums.VOILUTFunctionType.LINEAR,
    getCanvas: undefined as unknown as () => HTMLCanvasElement,
  };
}

function grayImage(slice: Slice, pixels: Gray, table: Table | undefined): Types.IImage {
  const shared = common(slice);
  rescaled.set(slice.imageId, { slope: pixels.slope, intercept: pixels.intercept });
  const window = table ? lookOfTable(table, 'VOI LUT') : (slice.values.window ?? pixels.window!);
  keepLook(slice.imageId, { function: slice.values.function, name: slice.values.windowName, ...window });
  const image = {
    ...shared,
    dataType: pixels.values.constructor.name as Types.PixelDataTypedArrayString,
    color: false,
    rgba: false,
    numberOfComponents: 1,
    slope: pixels.slope,
    intercept: pixels.intercept,
    minPixelValue: pixels.min,
    maxPixelValue: pixels.max,
    windowCenter: window.center,
    windowWidth: window.width,
    photometricInterpretation: text(slice.data, '00280004').trim(),
    invert: slice.values.isInverse,
    sizeInBytes: pixels.values.byteLength,
    getPixelData: () => pixels.values,
    overlays: pixels.overlays,
    voxelManager: utilities.VoxelManager.createImageVoxelManager({
      scalarData: pixels.values,
      width: shared.columns,
      height: shared.rows,
      numberOfComponents: 1,
    }),
  };
  return Object.assign(image, { cachedLut: new GrayLevels(image) }) as unknown as Types.IImage;
}

function colorImage(slice: Slice, pixels: Color, isCpu: boolean): Types.IImage {
  const shared = common(slice);
  const values = isCpu ? pixels.rgba : withoutOpacity(pixels.rgba);
  const components = isCpu ? 4 : 3;
  let canvas: HTMLCanvasElement | undefined;
  const draw = () => {
    if (!canvas) {
      canvas = document.createElement('canvas');
      canvas.width = shared.columns;
      canvas.height = shared.rows;
      canvas.getContext('2d')?.putImageData(new ImageData(new Uint8ClampedArray(pixels.rgba), shared.columns, shared.rows), 0, 0);
    }
    return canvas;
  };
  const image = {
    ...shared,
    dataType: values.constructor.name as Types.PixelDataTypedArrayString,
    color: true,
    rgba: isCpu,
    numberOfComponents: components,
    slope: 1,
    intercept: 0,
    minPixelValue: 0,
    maxPixelValue: 255,
    windowCenter: 128,
    windowWidth: 256,
    photometricInterpretation: 'RGB',
    invert: false,
    sizeInBytes: values.byteLength,
    getPixelData: () => values,
    getCanvas: isCpu ? draw : (undefined as unknown as () => HTMLCanvasElement),
    voxelManager: utilities.VoxelManager.createImageVoxelManager({
      scalarData: values as never,
      width: shared.columns,
      height: shared.rows,
      numberOfComponents: components,
    }),
  };
  return image as unknown as Types.IImage;
}

function withoutOpacity(rgba: Uint8ClampedArray): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from]!;
    rgb[to + 1] = rgba[from + 1]!;
    rgb[to + 2] = rgba[from + 2]!;
  }
  return rgb;
}

function calibrationOf(slice: Slice): Types.IImageCalibration | undefined {
  if (slice.plane.scale !== 'regions') return undefined;
  return { sequenceOfUltrasoundRegions: regionsOf(slice.data) } as unknown as Types.IImageCalibration;
}

function moduleOf(type: string, slice: Slice): unknown {
  const { data, plane, values } = slice;
  switch (type) {
    case 'imagePlaneModule':
      return {
        frameOfReferenceUID: plane.frameOfReference || `none:${text(data, '0020000E')}`,
        rows: number(data, '00280010'),
        columns: number(data, '00280011'),
        imageOrientationPatient: [...plane.row, ...plane.column],
        rowCosines: plane.row,
        columnCosines: plane.column,
        imagePositionPatient: plane.position,
        sliceThickness: number(data, '00180050'),
        sliceLocation: number(data, '00201041'),
        pixelSpacing: plane.spacing,
        rowPixelSpacing: plane.spacing[0],
        columnPixelSpacing: plane.spacing[1],
        usingDefaultValues: plane.scale === 'none' || plane.scale === 'regions',
      };
    case 'imagePixelModule': {
      const isColor = (number(data, '00280002') ?? 1) > 1 || text(data, '00280004').trim() === 'PALETTE COLOR';
      return {
        samplesPerPixel: isColor ? 3 : 1,
        photometricInterpretation: isColor ? 'RGB' : text(data, '00280004').trim(),
        rows: number(data, '00280010'),
        columns: number(data, '00280011'),
        bitsAllocated: isColor ? 8 : 16,
        bitsStored: isColor ? 8 : 16,
        highBit: isColor ? 7 : 15,
        pixelRepresentation: isColor ? 0 : 1,
        planarConfiguration: 0,
      };
    }
    case 'generalSeriesModule':
      return {
        modality: text(data, '00080060') === 'PT' ? 'NM' : text(data, '00080060'),
        seriesInstanceUID: text(data, '0020000E'),
        studyInstanceUID: text(data, '0020000D'),
        seriesNumber: number(data, '00200011'),
      };
    case 'voiLutModule':
      return values.window ? { windowCenter: [values.window.center], windowWidth: [values.window.width] } : {};
    case 'modalityLutModule':
      return { rescaleSlope: 1, rescaleIntercept: 0, rescaleType: values.unit };
    case 'sopCommonModule':
      return { sopClassUID: text(data, '00080016'), sopInstanceUID: slice.instanceUid };
    case 'calibrationModule':
      return calibrationOf(slice);
    default:
      return undefined;
  }
}
