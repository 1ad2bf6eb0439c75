// Display shutters (PS3.3 section C.7.6.11): what lies outside of the exposed field is covered, as the server covers it
// (src/dicom/render/shutter.rs). Values stay what they are: a shutter is for the eye, not for measurements.

import { type DataSet, number, numbers } from './json.ts';

/** What stays visible: the part that all shapes have in common. Rows and columns count from 1. */
export interface Shutter {
  /** First and last row, first and last column that are seen. */
  rectangle?: [number, number, number, number];
  /** Row and column of the centre, and the radius. */
  circle?: [number, number, number];
  /** Rows and columns of the corners; fewer than three are no shape. */
  polygon: [number, number][];
  /** Grey of what is covered. */
  level: number;
}

/** Corners of a polygon that are looked at. */
const MOST_CORNERS = 256;

/** Nothing when there is no shutter, or none that says where it is. */
export function shutterOf(data: DataSet): Shutter | undefined {
  const shapes = (data['00181600']?.Value ?? []).map((shape) => String(shape).trim());
  // A P-Value of 16 bits; 0 is black.
  const shutter: Shutter = { polygon: [], level: ((number(data, '00181622') ?? 0) >> 8) & 0xff };
  const isThere = (value: number | undefined): value is number => value !== undefined;
  if (shapes.includes('RECTANGULAR')) {
    const edges = ['00181606', '00181608', '00181602', '00181604'].map((tag) => number(data, tag));
    if (!edges.every(isThere)) return undefined;
    shutter.rectangle = edges as [number, number, number, number];
  }
  if (shapes.includes('CIRCULAR')) {
    const center = numbers(data, '00181610', 2);
    const radius = number(data, '00181612');
    if (!center || radius === undefined) return undefined;
    shutter.circle = [center[0]!, center[1]!, radius];
  }
  if (shapes.includes('POLYGONAL')) {
    const flat = numbers(data, '00181620') ?? [];
    for (let at = 0; at + 1 < flat.length && shutter.polygon.length < MOST_CORNERS; at += 2) shutter.polygon.push([flat[at]!, flat[at + 1]!]);
  }
  return shutter.rectangle || shutter.circle || shutter.polygon.length > 2 ? shutter : undefined;
}

/** Whether a pixel is seen; the outlines of the shapes are. */
export function isSeen({ rectangle, circle, polygon }: Shutter, row: number, column: number): boolean {
  if (rectangle && (row < rectangle[0] || row > rectangle[1] || column < rectangle[2] || column > rectangle[3])) return false;
  if (circle && Math.hypot(row - circle[0], column - circle[1]) > circle[2]) return false;
  return polygon.length < 3 || isWithin(polygon, row, column);
}

/** Whether a line from here to the right crosses the outline an odd number of times. */
function isWithin(polygon: [number, number][], row: number, column: number): boolean {
  let isInside = false;
  let [y1, x1] = polygon[polygon.length - 1]!;
  for (const [y2, x2] of polygon) {
    const across = (x2 - x1) * (row - y1) - (y2 - y1) * (column - x1);
    const isBeside = row >= Math.min(y1, y2) && row <= Math.max(y1, y2) && column >= Math.min(x1, x2) && column <= Math.max(x1, x2);
    if (across === 0 && isBeside) return true;
    if (y1 > row !== y2 > row && column < ((x2 - x1) * (row - y1)) / (y2 - y1) + x1) isInside = !isInside;
    [y1, x1] = [y2, x2];
  }
  return isInside;
}
