// A window for objects that bring none: over nearly all values, so that a few outliers do not make everything grey. What pads
// an image out to a rectangle is none of its values (PS3.3 section C.7.5.1.1.2).

import { type DataSet, number } from './json.ts';
import type { Gray, Numbers } from './pixels.ts';

/** Lowest and highest stored value that is padding, both of them included. */
export function paddingOf(data: DataSet, isSigned: boolean): [number, number] | undefined {
  // Some write a signed value as an unsigned one.
  const read = (tag: string) => {
    const value = number(data, tag);
    return value === undefined ? undefined : isSigned ? (value << 16) >> 16 : value & 0xffff;
  };
  const value = read('00280120');
  if (value === undefined) return undefined;
  const limit = read('00280121') ?? value;
  return [Math.min(value, limit), Math.max(value, limit)];
}

const BINS = 1024;
/** Share of the values that may lie beyond each end. */
const FEW = 0.002;

/** `stored` are the numbers that the values come from, in the same order. */
export function automaticWindow({ values, slope, intercept }: Pick<Gray, 'values' | 'slope' | 'intercept'>, stored: Numbers, padding: [number, number] | undefined): { center: number; width: number } {
  const [first, last] = padding ?? [Infinity, -Infinity];
  const isPadding = (at: number) => stored[at]! >= first && stored[at]! <= last;
  let [min, max, count] = [Infinity, -Infinity, 0];
  for (let at = 0; at < values.length; at += 1) {
    if (isPadding(at)) continue;
    const value = values[at]!;
    if (value < min) min = value;
    if (value > max) max = value;
    count += 1;
  }
  if (count === 0) return { center: 0, width: 1 };
  const bins = new Uint32Array(BINS);
  const step = (max - min) / (BINS - 1) || 1;
  for (let at = 0; at < values.length; at += 1) if (!isPadding(at)) bins[Math.floor((values[at]! - min) / step)]! += 1;
  let low = 0;
  let high = BINS - 1;
  for (let sum = 0; low < BINS - 1 && (sum += bins[low]!) < count * FEW; ) low += 1;
  for (let sum = 0; high > low && (sum += bins[high]!) < count * FEW; ) high -= 1;
  const from = (min + low * step) * slope + intercept;
  const to = (min + (high + 1) * step) * slope + intercept;
  return { center: Math.round((from + to) / 2), width: Math.max(1, Math.round(Math.abs(to - from))) };
}
