// Overlay planes (PS3.3 section C.9.2): which there are, and where their bits lie.

import { type DataSet, number } from './json.ts';

const GROUPS = Array.from({ length: 16 }, (_, at) => (0x6000 + at * 2).toString(16).toUpperCase());

const hasSize = (data: DataSet, group: string): boolean => (number(data, `${group}0010`) ?? 0) > 0 && (number(data, `${group}0011`) ?? 0) > 0;

/** Groups of the planes that lie beside the pixels. */
export const ownPlanes = (data: DataSet): string[] => GROUPS.filter((group) => data[`${group}3000`] && hasSize(data, group));

/** Groups of the planes that lie in bits of the pixels (retired, and still sent), with their bits. */
export function planesInPixels(data: DataSet): { group: string; bit: number }[] {
  if ((number(data, '00280002') ?? 1) !== 1) return [];
  const hidden = GROUPS.filter((group) => !data[`${group}3000`] && hasSize(data, group) && number(data, `${group}0011`) === number(data, '00280011'));
  const allocated = number(data, '00280100') ?? 16;
  return hidden.map((group) => ({ group, bit: number(data, `${group}0102`) ?? 0 })).filter(({ bit }) => bit > 0 && bit < allocated);
}

/** One bit of each value, packed as the data of a plane are: the first pixel in the lowest bit. */
export function packedBit(values: ArrayLike<number>, bit: number): Uint8Array {
  const packed = new Uint8Array((values.length + 7) >> 3);
  for (let at = 0; at < values.length; at += 1) packed[at >> 3]! |= ((values[at]! >> bit) & 1) << (at & 7);
  return packed;
}
