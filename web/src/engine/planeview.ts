// How a plane through a volume lies: which slice of how many, where in the patient, which of its sides are where, how large
// a millimetre is. Everything is read from what stands on the screen, so that it is also true of a plane that was turned.

import { type Types, utilities } from '@cornerstonejs/core';
import { dot, lettersOf, type Vector } from '../dicom/slice.ts';

export interface PlaneView {
  index: number;
  count: number;
  /** Millimetres from the origin of the patient's axes, with the letter of the way. */
  place: string;
  /** Letters of the right, left, lower and upper side. */
  sides: [string, string, string, string];
  /** CSS pixels of a millimetre. */
  perMillimetre: number;
  center: number;
  width: number;
  /** Where the planes cross, in CSS pixels of the plane. */
  cross: [number, number];
}

const minus = (a: Types.Point3, b: Types.Point3): Vector => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const opposite = ([x, y, z]: Vector): Vector => [-x, -y, -z];

export function viewOf(viewport: Types.IVolumeViewport, crossing: Types.Point3): PlaneView | undefined {
  const way = wayOf(viewport);
  const range = viewport.getProperties()?.voiRange;
  if (!way || !range) return undefined;
  const [origin, right, down] = ([[0, 0], [100, 0], [0, 100]] as Types.Point2[]).map((point) => viewport.canvasToWorld(point)) as [Types.Point3, Types.Point3, Types.Point3];
  const [across, along] = [minus(right, origin), minus(down, origin)];
  const { windowCenter, windowWidth } = utilities.windowLevel.toWindowLevel(range.lower, range.upper);
  return {
    index: way.index,
    count: way.count,
    place: placeOf(way.focus, way.normal),
    sides: [lettersOf(across), lettersOf(opposite(across)), lettersOf(along), lettersOf(opposite(along))],
    perMillimetre: 100 / Math.hypot(...across),
    center: windowCenter,
    width: windowWidth,
    cross: viewport.worldToCanvas(crossing).map((at) => Math.round(at * 10) / 10) as [number, number],
  };
}

/** Along the axis that the plane stands on; of one that stands askew nothing is said. */
function placeOf(focus: Types.Point3, normal: Vector): string {
  const axis = normal.findIndex((part) => Math.abs(part) > 0.999);
  if (axis < 0) return '';
  const value = focus[axis]!;
  const said = Math.abs(value).toFixed(1);
  // In the middle there is no way to say.
  const letter = said === '0.0' ? '' : `${['RL', 'AP', 'FH'][axis]![value < 0 ? 0 : 1]!} `;
  return `${letter}${said} mm`;
}

interface Way {
  index: number;
  count: number;
  step: number;
  /** Millimetres from the first slice to where the plane is. */
  from: number;
  focus: Types.Point3;
  normal: Vector;
}

function wayOf(viewport: Types.IVolumeViewport): Way | undefined {
  const volumeId = viewport.getVolumeId();
  const found = volumeId ? utilities.getVolumeSliceRangeInfo(viewport, volumeId) : undefined;
  if (!found) return undefined;
  const { sliceRange, spacingInNormalDirection: step, camera } = found;
  const { min, max, current } = sliceRange;
  const count = Math.round((max - min) / step) + 1;
  const index = Math.min(count - 1, Math.max(0, Math.round((current - min) / step)));
  return { index, count, step, from: current - min, focus: camera.focalPoint!, normal: camera.viewPlaneNormal as Vector };
}

/** Leafs to a slice, from 0; what stood between two of them stands on one then. */
export function leafTo(viewport: Types.IVolumeViewport, to: (index: number) => number): void {
  const way = wayOf(viewport);
  if (!way) return;
  const index = Math.min(way.count - 1, Math.max(0, to(way.index)));
  const by = index * way.step - way.from;
  if (Math.abs(by) < 1e-4) return;
  const { focalPoint, position } = viewport.getCamera();
  const moved = (point: Types.Point3) => point.map((at, axis) => at + way.normal[axis]! * by) as Types.Point3;
  viewport.setCamera({ focalPoint: moved(focalPoint!), position: moved(position!) });
  viewport.render();
}

/** Leafs to the slice that is nearest to a point. */
export function leafThrough(viewport: Types.IVolumeViewport, point: Types.Point3): void {
  const way = wayOf(viewport);
  if (way) leafTo(viewport, () => Math.round((way.from + dot(minus(point, way.focus), way.normal)) / way.step));
}

/** The length of a line in the patient. */
export const lengthOf = ([from, to]: Types.Point3[]): number => {
  const way = minus(to!, from!);
  return Math.sqrt(dot(way, way));
};
