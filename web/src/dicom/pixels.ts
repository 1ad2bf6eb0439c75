// Bytes of a frame as values to show and to measure (PS3.5 section 8, PS3.3 sections C.7.6.3 and C.11.1).
//
// Values come out in the unit of the object (Hounsfield units and the like), so that nothing behind has to scale again.

import { automaticWindow } from './automatic.ts';
import { lookUp, type Table } from './lookup.ts';
import { packedBit } from './overlay.ts';

export interface FrameHeader {
  rows: number;
  columns: number;
  samples: number;
  photometric: string;
  bitsAllocated: number;
  bitsStored: number;
  highBit: number;
  isSigned: boolean;
  isPlanar: boolean;
  slope: number;
  intercept: number;
  /** Stands in the place of slope and intercept. */
  modality?: Table;
  palette?: Palette[];
  /** Bits of the values in which overlay planes lie. */
  overlayBits?: number[];
  /** Lowest and highest stored value that is no value but pads the image out. */
  padding?: [number, number];
  /** Whether the object says nothing of how its values are looked at. */
  needsWindow: boolean;
  /** Whether what draws can take fractions; else whole numbers stay unscaled. */
  takesFractions: boolean;
}

export interface Palette {
  first: number;
  values: number[];
}

export type Numbers = Uint8Array | Int8Array | Uint16Array | Int16Array | Int32Array | Uint32Array | Float32Array;

export interface Gray {
  kind: 'gray';
  values: Uint8Array | Uint16Array | Int16Array | Float32Array;
  min: number;
  max: number;
  /** What is left to be applied, when fractions are not taken. */
  slope: number;
  intercept: number;
  /** The planes of `overlayBits`, in their order. */
  overlays?: Uint8Array[];
  /** Where the header needs one. */
  window?: { center: number; width: number };
}

export interface Color {
  kind: 'color';
  /** Red, green, blue and opacity of each pixel. */
  rgba: Uint8ClampedArray;
}

export type Pixels = Gray | Color;

export class Unreadable extends Error {}

export function pixelsOf(stored: Numbers, header: FrameHeader): Pixels {
  const wanted = header.rows * header.columns * header.samples;
  if (header.photometric === 'YBR_FULL_422' && header.samples === 3) {
    return { kind: 'color', rgba: colorOf(whole422(stored, header), { ...header, isPlanar: false, photometric: 'YBR_FULL' }) };
  }
  if (stored.length < wanted) throw new Unreadable('the frame is too short');
  if (header.samples >= 3 || header.photometric === 'PALETTE COLOR') return { kind: 'color', rgba: colorOf(stored, header) };
  const gray = grayOf(stored, header);
  return header.needsWindow ? { ...gray, window: automaticWindow(gray, stored, header.padding) } : gray;
}

/** A frame of native pixel data, with the overlay planes that lie in its values. */
export function frameOf(bytes: Uint8Array, header: FrameHeader, bitsAllocated = header.bitsAllocated): Pixels {
  const whole = wholeValues(bytes, { ...header, bitsAllocated });
  const pixels = pixelsOf(cleaned(whole, { ...header, bitsAllocated }), header);
  if (pixels.kind === 'gray' && header.overlayBits?.length) pixels.overlays = header.overlayBits.map((bit) => packedBit(whole, bit));
  return pixels;
}

/** Native pixel data, little endian, as numbers that were stored. */
export const storedValues = (bytes: Uint8Array, header: FrameHeader): Numbers => cleaned(wholeValues(bytes, header), header);

/** The same with all bits that lie beside the numbers. */
function wholeValues(bytes: Uint8Array, header: FrameHeader): Numbers {
  const count = header.photometric === 'YBR_FULL_422' ? header.rows * header.columns * 2 : header.rows * header.columns * header.samples;
  switch (header.bitsAllocated) {
    case 1: {
      if (bytes.length * 8 < count) throw new Unreadable('the frame is too short');
      const values = new Uint8Array(count);
      for (let at = 0; at < count; at += 1) values[at] = (bytes[at >> 3]! >> (at & 7)) & 1;
      return values;
    }
    case 8: {
      if (bytes.length < count) throw new Unreadable('the frame is too short');
      return header.isSigned ? new Int8Array(bytes.buffer, bytes.byteOffset, count) : bytes.subarray(0, count);
    }
    case 16:
    case 32: {
      const width = header.bitsAllocated / 8;
      if (bytes.length < count * width) throw new Unreadable('the frame is too short');
      // Numbers lie at addresses that are multiples of their size.
      const buffer = bytes.byteOffset % width === 0 ? bytes.buffer : bytes.slice(0, count * width).buffer;
      const offset = bytes.byteOffset % width === 0 ? bytes.byteOffset : 0;
      if (width === 4) return header.isSigned ? new Int32Array(buffer, offset, count) : new Uint32Array(buffer, offset, count);
      return header.isSigned ? new Int16Array(buffer, offset, count) : new Uint16Array(buffer, offset, count);
    }
    default:
      throw new Unreadable(`${header.bitsAllocated} bits`);
  }
}

/** Takes off bits that are no part of the value, such as overlays in the high bits of old objects. */
function cleaned(values: Numbers, header: FrameHeader): Numbers {
  const { bitsAllocated, bitsStored, highBit, isSigned } = header;
  if (bitsStored >= bitsAllocated || bitsStored < 1 || bitsAllocated > 16) return values;
  const low = Math.max(0, highBit + 1 - bitsStored);
  const left = 32 - bitsStored - low;
  const right = 32 - bitsStored;
  const clean = isSigned ? new Int16Array(values.length) : new Uint16Array(values.length);
  for (let at = 0; at < values.length; at += 1) {
    const shifted = values[at]! << left;
    clean[at] = isSigned ? shifted >> right : shifted >>> right;
  }
  return clean;
}

function grayOf(stored: Numbers, header: FrameHeader): Gray {
  const count = header.rows * header.columns;
  if (header.modality) return throughTable(stored, count, header.modality);
  let min = Infinity;
  let max = -Infinity;
  for (let at = 0; at < count; at += 1) {
    const value = stored[at]!;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const { slope, intercept } = header;
  const isWhole = Number.isInteger(slope) && Number.isInteger(intercept) && !(stored instanceof Float32Array);
  const ends = [min * slope + intercept, max * slope + intercept];
  const [low, high] = [Math.min(...ends), Math.max(...ends)] as [number, number];
  if (isWhole && low >= -32768 && high <= 65535 && (low >= 0 || high <= 32767)) {
    const values = low < 0 ? new Int16Array(count) : high > 255 ? new Uint16Array(count) : new Uint8Array(count);
    for (let at = 0; at < count; at += 1) values[at] = stored[at]! * slope + intercept;
    return { kind: 'gray', values, min: low, max: high, slope: 1, intercept: 0 };
  }
  if (header.takesFractions) {
    const values = new Float32Array(count);
    for (let at = 0; at < count; at += 1) values[at] = stored[at]! * slope + intercept;
    return { kind: 'gray', values, min: low, max: high, slope: 1, intercept: 0 };
  }
  if (min >= -32768 && max <= 65535 && (min >= 0 || max <= 32767)) {
    const values = min < 0 ? Int16Array.from(stored.subarray(0, count)) : Uint16Array.from(stored.subarray(0, count));
    return { kind: 'gray', values, min, max, slope, intercept };
  }
  // Too wide for a table of all values: 65536 steps stand for them.
  const step = (max - min) / 65535 || 1;
  const values = new Uint16Array(count);
  for (let at = 0; at < count; at += 1) values[at] = Math.round((stored[at]! - min) / step);
  return { kind: 'gray', values, min: 0, max: 65535, slope: slope * step, intercept: intercept + slope * min };
}

function throughTable(stored: Numbers, count: number, table: Table): Gray {
  const values = new Uint16Array(count);
  let min = 65535;
  let max = 0;
  for (let at = 0; at < count; at += 1) {
    const value = lookUp(table, stored[at]!);
    values[at] = value;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { kind: 'gray', values, min, max, slope: 1, intercept: 0 };
}

/** Chrominance that is stored for every other pixel, for all of them (PS3.5 section 8.2.1, PS3.3 section C.7.6.3.1.2). */
function whole422(stored: Numbers, header: FrameHeader): Uint8Array {
  const pixels = header.rows * header.columns;
  if (stored.length < pixels * 2) throw new Unreadable('the frame is too short');
  const out = new Uint8Array(pixels * 3);
  for (let pair = 0; pair * 2 < pixels; pair += 1) {
    const from = pair * 4;
    for (let half = 0; half < 2; half += 1) {
      const to = (pair * 2 + half) * 3;
      out[to] = stored[from + half]!;
      out[to + 1] = stored[from + 2]!;
      out[to + 2] = stored[from + 3]!;
    }
  }
  return out;
}

function colorOf(stored: Numbers, header: FrameHeader): Uint8ClampedArray {
  const pixels = header.rows * header.columns;
  const rgba = new Uint8ClampedArray(pixels * 4);
  if (header.photometric === 'PALETTE COLOR') {
    const tables = header.palette;
    if (tables?.length !== 3) throw new Unreadable('the palette is missing');
    for (let at = 0; at < pixels; at += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        const { first, values } = tables[channel]!;
        const index = Math.min(values.length - 1, Math.max(0, stored[at]! - first));
        rgba[at * 4 + channel] = values[index]!;
      }
      rgba[at * 4 + 3] = 255;
    }
    return rgba;
  }
  const shift = Math.max(0, header.bitsStored - 8);
  const step = header.isPlanar ? 1 : header.samples;
  const next = header.isPlanar ? pixels : 1;
  const isYbr = header.photometric === 'YBR_FULL';
  for (let at = 0; at < pixels; at += 1) {
    const from = at * step;
    const a = stored[from]! >> shift;
    const b = stored[from + next]! >> shift;
    const c = stored[from + 2 * next]! >> shift;
    const to = at * 4;
    rgba[to] = isYbr ? a + 1.402 * (c - 128) : a;
    rgba[to + 1] = isYbr ? a - 0.344136 * (b - 128) - 0.714136 * (c - 128) : b;
    rgba[to + 2] = isYbr ? a + 1.772 * (b - 128) : c;
    rgba[to + 3] = 255;
  }
  return rgba;
}

/** RLE segments, one for each byte of each sample, the high byte first (PS3.5 annex G), as native little endian bytes. */
export function unpackRle(bytes: Uint8Array, header: FrameHeader): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pixels = header.rows * header.columns;
  const width = Math.max(1, header.bitsAllocated >> 3);
  const segments = view.getUint32(0, true);
  if (segments !== width * header.samples || segments > 15) throw new Unreadable('segments of RLE');
  const out = new Uint8Array(pixels * width * header.samples);
  for (let segment = 0; segment < segments; segment += 1) {
    const sample = Math.floor(segment / width);
    const place = width - 1 - (segment % width);
    const start = header.isPlanar ? sample * pixels * width + place : sample * width + place;
    const step = header.isPlanar ? width : width * header.samples;
    let from = view.getUint32(4 + segment * 4, true);
    const end = segment + 1 < segments ? view.getUint32(8 + segment * 4, true) : bytes.length;
    let at = 0;
    while (at < pixels && from < end && from < bytes.length) {
      const control = bytes[from]!;
      from += 1;
      if (control < 128) {
        for (let left = control + 1; left > 0 && at < pixels; left -= 1, at += 1, from += 1) out[start + at * step] = bytes[from]!;
      } else if (control > 128) {
        for (let left = 257 - control; left > 0 && at < pixels; left -= 1, at += 1) out[start + at * step] = bytes[from]!;
        from += 1;
      }
    }
    if (at < pixels) throw new Unreadable('a segment of RLE is too short');
  }
  return out;
}
