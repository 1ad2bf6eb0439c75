// One frame of a series with what showing and measuring it needs; geometry as PS3.3 sections C.7.6.2 and 10.7 mean it.

import { type DataSet, functional, items, number, numbers, text } from './json.ts';
import { functionOf, type VoiFunction } from './lookup.ts';

export type Vector = [number, number, number];

/**
 * What a distance on the image means: in the patient, on the detector (projections without calibration), in a plane that the
 * object does not name (projections whose only spacing is nobody's calibration), in regions of an ultrasound picture, or
 * nothing at all.
 */
export type Scale = 'patient' | 'detector' | 'projection' | 'regions' | 'none';

export interface Plane {
  position: Vector;
  row: Vector;
  column: Vector;
  /** Whether position and orientation are those of the object. */
  isKnown: boolean;
  /** Millimetres, or relative sizes of a pixel's edges when `scale` is `none`: between rows, between columns. */
  spacing: [number, number];
  scale: Scale;
  frameOfReference: string;
  /** Letters of (0020,0020) when there is no plane: direction of rows, direction of columns. */
  letters?: [string, string];
}

export interface NamedWindow {
  center: number;
  width: number;
  name: string;
}

export interface Values {
  slope: number;
  intercept: number;
  /** HU and the like; empty when the values have no unit that the object names. */
  unit: string;
  window?: { center: number; width: number };
  windowName: string;
  /** All that the object brings, the first of them included; each is another way to look at it. */
  windows: NamedWindow[];
  function: VoiFunction;
  /** Whether values are looked up in a table before anything else (PS3.3 section C.11.1). */
  hasModalityTable: boolean;
  /** Whether brightness comes from a table; a window of the object goes before it. */
  hasVoiTable: boolean;
  /** Whether much is dark. */
  isInverse: boolean;
}

export interface Slice {
  imageId: string;
  /** Address of the instance. */
  url: string;
  instanceUid: string;
  frame: number;
  data: DataSet;
  plane: Plane;
  values: Values;
}

export function sliceOf(url: string, data: DataSet, frame: number): Slice {
  return {
    imageId: `yingku:${url}/frames/${frame}`,
    url,
    instanceUid: text(data, '00080018'),
    frame,
    data,
    plane: planeOf(data, frame),
    values: valuesOf(data, frame),
  };
}

/** Transfer syntaxes of MPEG-2, H.264 and HEVC: their pictures are not to be had one by one. */
const VIDEO = /^1\.2\.840\.10008\.1\.2\.4\.10[0-8](\.1)?$/;

/** All frames of a series, as far as it has any, in the order in which the server gives its instances. */
export function slicesOf(seriesUrl: string, sets: DataSet[]): Slice[] {
  const slices: Slice[] = [];
  for (const data of sets) {
    if (!number(data, '00280010') || !number(data, '00280011') || VIDEO.test(text(data, '00083002').trim())) continue;
    const frames = Math.max(1, number(data, '00280008') ?? 1);
    const url = `${seriesUrl}/instances/${text(data, '00080018')}`;
    for (let frame = 1; frame <= frames; frame += 1) slices.push(sliceOf(url, data, frame));
  }
  return slices;
}

function planeOf(data: DataSet, frame: number): Plane {
  const measures = functional(data, frame, '00289110');
  const position = numbers(functional(data, frame, '00209113') ?? data, '00200032', 3);
  const orientation = numbers(functional(data, frame, '00209116') ?? data, '00200037', 6);
  const isKnown = position !== undefined && orientation !== undefined;
  const letters = data['00200020']?.Value;
  return {
    position: isKnown ? (position.slice(0, 3) as Vector) : [0, 0, 0],
    row: isKnown ? (orientation.slice(0, 3) as Vector) : [1, 0, 0],
    column: isKnown ? (orientation.slice(3, 6) as Vector) : [0, 1, 0],
    isKnown,
    ...spacingOf(data, measures, isKnown),
    frameOfReference: isKnown ? text(data, '00200052') : '',
    letters: letters?.length === 2 ? [String(letters[0] ?? ''), String(letters[1] ?? '')] : undefined,
  };
}

const isSize = (pair: number[] | undefined): pair is number[] => pair !== undefined && pair[0]! > 0 && pair[1]! > 0;

/** Projections through the patient, in which Pixel Spacing alone may be that of any plane (PS3.3 section 10.7.1.3). */
const PROJECTIONS = new Set(['CR', 'DR', 'DX', 'IO', 'MG', 'PX', 'RF', 'RG', 'XA']);

function spacingOf(data: DataSet, measures: DataSet | undefined, isKnown: boolean): { spacing: [number, number]; scale: Scale } {
  const spacing = numbers(measures ?? data, '00280030', 2) ?? numbers(data, '00280030', 2);
  const imager = numbers(data, '00181164', 2);
  if (isSize(spacing)) {
    // Pixel Spacing that only repeats the detector's is not calibrated, unless the object says so (PS3.3 C.7.6.3.1.3).
    const repeats = isSize(imager) && Math.abs(spacing[0]! - imager[0]!) < 1e-6 && Math.abs(spacing[1]! - imager[1]!) < 1e-6;
    const isCalibrated = text(data, '00280A02') !== '';
    // What has a place in the patient is a slice, whatever the modality (three-dimensional angiography, tomosynthesis).
    const isAlone = !isSize(imager) && !isKnown && PROJECTIONS.has(text(data, '00080060').trim());
    const scale = isCalibrated || !(repeats || isAlone) ? 'patient' : repeats ? 'detector' : 'projection';
    return { spacing: [spacing[0]!, spacing[1]!], scale };
  }
  if (isSize(imager)) return { spacing: [imager[0]!, imager[1]!], scale: 'detector' };
  // The spacing of a film that was scanned is none of the patient's; a ratio alone is for images without any spacing (PS3.3
  // section C.7.6.3.1.7). The server has the same order (src/dicom/render/header.rs).
  const aspect = [numbers(data, '00182010', 2), numbers(data, '00280034', 2)].find(isSize);
  const edges: [number, number] = aspect ? [aspect[0]! / aspect[1]!, 1] : [1, 1];
  return { spacing: edges, scale: items(data, '00186011').length > 0 ? 'regions' : 'none' };
}

function valuesOf(data: DataSet, frame: number): Values {
  const rescale = functional(data, frame, '00289145') ?? data;
  const voi = functional(data, frame, '00289132') ?? data;
  const table = items(data, '00283000')[0];
  const slope = number(rescale, '00281053') || undefined;
  const intercept = number(rescale, '00281052');
  const isRescaled = !table && (slope !== undefined || intercept !== undefined);
  const center = number(voi, '00281050');
  const width = number(voi, '00281051');
  const window = center !== undefined && width !== undefined && width >= 1 ? { center, width } : undefined;
  const photometric = text(data, '00280004').trim();
  return {
    slope: isRescaled ? (slope ?? 1) : 1,
    intercept: isRescaled ? (intercept ?? 0) : 0,
    unit: table ? namedUnit(text(table, '00283004')) : isRescaled ? unitOf(data, rescale) : '',
    window,
    windowName: text(voi, '00281055'),
    windows: windowsOf(voi),
    function: functionOf(voi),
    hasModalityTable: table !== undefined,
    hasVoiTable: !window && items(data, '00283010').length > 0,
    isInverse: photometric === 'MONOCHROME1' || text(data, '20500020').trim() === 'INVERSE',
  };
}

function windowsOf(voi: DataSet): NamedWindow[] {
  const widths = numbers(voi, '00281051') ?? [];
  const names = voi['00281055']?.Value ?? [];
  return (numbers(voi, '00281050') ?? [])
    .map((center, at) => ({ center, width: widths[at] ?? 0, name: String(names[at] ?? '') }))
    .filter(({ width }) => width >= 1);
}

const namedUnit = (type: string): string => (type.trim().toUpperCase() === 'US' ? '' : type.trim().toUpperCase());

function unitOf(data: DataSet, rescale: DataSet): string {
  const type = text(rescale, '00281054').trim().toUpperCase();
  if (type !== 'US' && type !== '') return type;
  // Hounsfield units are the default of CT alone, and not of its localisers' derived pictures (PS3.3 C.11.1.1.2).
  const isOriginal = (data['00080008']?.Value ?? []).map(String)[0] !== 'DERIVED';
  return text(data, '00080060') === 'CT' && isOriginal ? 'HU' : '';
}

export const cross = (a: Vector, b: Vector): Vector => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

export const dot = (a: Vector, b: Vector): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

export const normal = (plane: Plane): Vector => cross(plane.row, plane.column);

/** The point in the patient (or in the picture's own millimetres) of a column and a row, 0 the middle of the first. */
export function pointAt(plane: Plane, column: number, row: number): Vector {
  const point = [0, 1, 2].map(
    (axis) =>
      plane.position[axis]! + plane.row[axis]! * column * plane.spacing[1] + plane.column[axis]! * row * plane.spacing[0],
  );
  return point as Vector;
}

const LETTERS: Record<string, Vector> = {
  L: [1, 0, 0],
  R: [-1, 0, 0],
  P: [0, 1, 0],
  A: [0, -1, 0],
  H: [0, 0, 1],
  F: [0, 0, -1],
};

function vectorOf(letters: string): Vector | undefined {
  const vector: Vector = [0, 0, 0];
  let weight = 1;
  for (const letter of letters.trim()) {
    const axis = LETTERS[letter];
    if (!axis) return undefined;
    for (let at = 0; at < 3; at += 1) vector[at] = vector[at]! + axis[at]! * weight;
    weight /= 3;
  }
  return letters.trim() ? vector : undefined;
}

/** The directions in the patient of rows and columns, as far as the object says them. */
export function directions(plane: Plane): { row: Vector; column: Vector } | undefined {
  if (plane.isKnown) return { row: plane.row, column: plane.column };
  const [row, column] = (plane.letters ?? ['', '']).map(vectorOf);
  return row && column ? { row, column } : undefined;
}

/** Letters of a direction, the nearest axis first; small parts are left out. */
export function lettersOf(vector: Vector): string {
  const size = Math.hypot(...vector) || 1;
  const parts: [number, string][] = [
    [vector[0] / size, vector[0] > 0 ? 'L' : 'R'],
    [vector[1] / size, vector[1] > 0 ? 'P' : 'A'],
    [vector[2] / size, vector[2] > 0 ? 'H' : 'F'],
  ];
  return parts
    .map(([amount, letter]): [number, string] => [Math.abs(amount), letter])
    .filter(([amount]) => amount > 0.3)
    .sort((a, b) => b[0] - a[0])
    .slice(0, 2)
    .map(([, letter]) => letter)
    .join('');
}
