// Where planes cross and which slice is nearest, in the patient's millimetres.

import { directions, dot, normal, type Plane, pointAt, type Slice, type Vector } from '../dicom/slice.ts';
import { number } from '../dicom/json.ts';

export type Segment = [Vector, Vector];

const minus = (a: Vector, b: Vector): Vector => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];

export function shareSpace(a: Plane, b: Plane): boolean {
  return a.isKnown && b.isKnown && a.frameOfReference !== '' && a.frameOfReference === b.frameOfReference;
}

/** The part of `source` that lies in the plane of `target`; nothing when the planes are nearly parallel. */
export function crossing(source: Slice, target: Slice): Segment | undefined {
  if (!shareSpace(source.plane, target.plane)) return undefined;
  const axis = normal(target.plane);
  if (Math.abs(dot(axis, normal(source.plane))) > 0.98) return undefined;
  const columns = (number(source.data, '00280011') ?? 1) - 1;
  const rows = (number(source.data, '00280010') ?? 1) - 1;
  const corners = [pointAt(source.plane, 0, 0), pointAt(source.plane, columns, 0), pointAt(source.plane, columns, rows), pointAt(source.plane, 0, rows)];
  const heights = corners.map((corner) => dot(minus(corner, target.plane.position), axis));
  const points: Vector[] = [];
  for (let at = 0; at < 4; at += 1) {
    const next = (at + 1) % 4;
    const [from, to] = [heights[at]!, heights[next]!];
    if (from === to || from > 0 === to > 0) continue;
    const share = from / (from - to);
    const [a, b] = [corners[at]!, corners[next]!];
    points.push([a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share]);
  }
  return points.length === 2 ? [points[0]!, points[1]!] : undefined;
}

/** The slice of a stack that lies nearest to the plane of another; nothing unless they are parallel in one space. */
export function nearest(slices: Slice[], to: Slice): number | undefined {
  let best: number | undefined;
  let least = Infinity;
  const axis = normal(to.plane);
  slices.forEach((slice, at) => {
    if (!shareSpace(slice.plane, to.plane) || Math.abs(dot(normal(slice.plane), axis)) < 0.98) return;
    const distance = Math.abs(dot(minus(slice.plane.position, to.plane.position), axis));
    if (distance < least) {
      least = distance;
      best = at;
    }
  });
  return best;
}

/** The way across the slices of a stack, for the order of a volume; nothing when they do not form one. */
export function isVolume(slices: Slice[]): boolean {
  const first = slices[0];
  if (!first || slices.length < 4) return false;
  const axis = normal(first.plane);
  const size = (slice: Slice) => `${number(slice.data, '00280010')}x${number(slice.data, '00280011')}`;
  const fits = slices.every(
    (slice) => slice.plane.isKnown && slice.plane.scale === 'patient' && dot(normal(slice.plane), axis) > 0.999 && size(slice) === size(first) && (number(slice.data, '00280002') ?? 1) === 1,
  );
  if (!fits) return false;
  // A gantry that was tilted moves each slice sideways against the one before: as a block, all that lies across would be false.
  const aside = (slice: Slice) => {
    const way = minus(slice.plane.position, first.plane.position);
    return Math.hypot(dot(way, first.plane.row), dot(way, first.plane.column));
  };
  if (slices.some((slice) => aside(slice) > Math.max(...first.plane.spacing))) return false;
  const places = slices.map((slice) => dot(slice.plane.position, axis)).sort((a, b) => a - b);
  const steps = places.slice(1).map((place, at) => place - places[at]!);
  const middle = [...steps].sort((a, b) => a - b)[steps.length >> 1]!;
  return middle > 0.05 && steps.every((step) => Math.abs(step - middle) < middle * 0.15 + 0.01);
}

export { directions };
