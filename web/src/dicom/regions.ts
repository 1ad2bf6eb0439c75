// Regions of an ultrasound picture (PS3.3 section C.8.5.5): where in it a length means something, and what.

import { type DataSet, items, number } from './json.ts';

/** As Cornerstone wants them. */
export interface Region {
  regionDataType: number;
  regionLocationMinX0: number;
  regionLocationMinY0: number;
  regionLocationMaxX1: number;
  regionLocationMaxY1: number;
  referencePixelX0: number;
  referencePixelY0: number;
  physicalUnitsXDirection: number;
  physicalUnitsYDirection: number;
  physicalDeltaX: number;
  physicalDeltaY: number;
  transducerFrequency: number;
}

/** Of Physical Units X Direction (0018,6024) and its like. */
const CENTIMETRES = 3;
/** A type that Cornerstone measures nothing in. */
const NONE = 0;

export function regionsOf(data: DataSet): Region[] {
  return items(data, '00186011').map((region) => {
    const of = (tag: string) => number(region, tag) ?? 0;
    const [across, down] = [of('00186024'), of('00186026')];
    const [width, height] = [of('0018602C'), of('0018602E')];
    // A line has a length only where both ways are centimetres. With two units (Doppler, M-mode) Cornerstone gives pixels by
    // itself; with one that is no length, or without a size, it would give a figure that is neither.
    const isFalse = across === down && (across !== CENTIMETRES || width === 0 || height === 0);
    return {
      regionDataType: isFalse ? NONE : of('00186014'),
      regionLocationMinX0: of('00186018'),
      regionLocationMinY0: of('0018601A'),
      regionLocationMaxX1: of('0018601C'),
      regionLocationMaxY1: of('0018601E'),
      referencePixelX0: of('00186020'),
      referencePixelY0: of('00186022'),
      physicalUnitsXDirection: across,
      physicalUnitsYDirection: down,
      physicalDeltaX: width,
      physicalDeltaY: height,
      transducerFrequency: 0,
    };
  });
}
