// Attributes of the DICOM JSON model (PS3.18 annex F).

export interface Attribute {
  vr: string;
  Value?: unknown[];
  BulkDataURI?: string;
  InlineBinary?: string;
}

export type DataSet = Record<string, Attribute | undefined>;

export const first = (set: DataSet | undefined, tag: string): unknown => set?.[tag]?.Value?.[0];

export function text(set: DataSet | undefined, tag: string): string {
  const value = first(set, tag);
  return value === undefined || value === null ? '' : String(value);
}

export function number(set: DataSet | undefined, tag: string): number | undefined {
  const value = first(set, tag);
  if (value === undefined || value === null || value === '') return undefined;
  const read = Number(value);
  return Number.isFinite(read) ? read : undefined;
}

/** All values as numbers; `undefined` unless there are at least `least` and all are numbers. */
export function numbers(set: DataSet | undefined, tag: string, least = 1): number[] | undefined {
  const values = set?.[tag]?.Value;
  if (!values || values.length < least) return undefined;
  const read = values.map((value) => (value === null || value === '' ? NaN : Number(value)));
  return read.every(Number.isFinite) ? read : undefined;
}

export const items = (set: DataSet | undefined, tag: string): DataSet[] =>
  (set?.[tag]?.Value ?? []).filter((value): value is DataSet => typeof value === 'object' && value !== null);

const SHARED = '52009229';
const PER_FRAME = '52009230';

/** The item of a functional group macro that holds for a frame (PS3.3 section C.7.6.16), frames from 1. */
export function functional(set: DataSet, frame: number, macro: string): DataSet | undefined {
  const own = items(items(set, PER_FRAME)[frame - 1], macro)[0];
  return own ?? items(items(set, SHARED)[0], macro)[0];
}

export function decodeBase64(base64: string): Uint8Array {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}
