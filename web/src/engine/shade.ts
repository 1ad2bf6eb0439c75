// From values to the grey of a pane: windows, their functions and tables, as dicom/lookup.ts has them, for both ways of drawing.
//
// Cornerstone knows a pane's window and nothing else of it. So the window is the name of a look: one that an image (or a
// presentation state) has brought is found again by its window, any other window is used with the image's own function.

import { type Types, utilities } from '@cornerstonejs/core';
import { brightness, type Look } from '../dicom/lookup.ts';

/** Windows come back from Cornerstone with the errors of two additions. */
const SAME = 1e-7;
/** Lets a look with the window of another be told from it; far below what is written or seen. */
const APART = 1e-6;

const looks = new Map<string, Look[]>();

/** The image's own look stands first. */
export function keepLook(imageId: string, look: Look): void {
  looks.set(imageId, [look]);
}

/** A further look of an image; the answer is the window by which it is asked for. */
export function addLook(imageId: string, look: Look): Look {
  const known = looks.get(imageId) ?? [];
  const isSame = (one: Look) => one.name === look.name && one.function === look.function && one.table === look.table && Math.abs(one.width - look.width) < SAME;
  const again = known.slice(1).find((one) => isSame(one) && Math.abs(one.center - look.center) < known.length * APART + SAME);
  if (again) return again;
  const apart = { ...look, center: look.center + known.length * APART };
  looks.set(imageId, [...known, apart]);
  return apart;
}

export const ownLook = (imageId: string): Look | undefined => looks.get(imageId)?.[0];

export function lookFor(imageId: string, center: number, width: number): Look {
  const known = looks.get(imageId) ?? [];
  const found = known.find((look) => Math.abs(look.center - center) < SAME && Math.abs(look.width - width) < SAME);
  return found ?? { center, width, function: known[0]?.function ?? 'LINEAR', name: '' };
}

interface Shaded {
  imageId: string;
  minPixelValue: number;
  maxPixelValue: number;
  slope: number;
  intercept: number;
}

/** What Cornerstone keeps with an image that it draws without a graphics processor, filled by us. */
export class GrayLevels {
  windowCenter = NaN;
  windowWidth = NaN;
  invert = false;
  voiLUT: unknown = undefined;
  readonly lutArray: Uint8ClampedArray;
  private readonly image: Shaded;

  constructor(image: Shaded) {
    this.image = image;
    this.lutArray = new Uint8ClampedArray(Math.max(1, image.maxPixelValue - Math.min(image.minPixelValue, 0) + 1));
  }

  get modalityLUT(): unknown {
    return undefined;
  }

  /** The last that Cornerstone sets when it has made a table of its own. */
  set modalityLUT(_: unknown) {
    const { imageId, minPixelValue, maxPixelValue, slope, intercept } = this.image;
    const look = lookFor(imageId, this.windowCenter, this.windowWidth);
    const offset = Math.min(minPixelValue, 0);
    for (let stored = minPixelValue; stored <= maxPixelValue; stored += 1) {
      this.lutArray[stored - offset] = level(look, stored * slope + intercept, this.invert);
    }
  }
}

export function level(look: Look, value: number, invert: boolean): number {
  const gray = Math.round(brightness(look, value) * 255);
  return invert ? 255 - gray : gray;
}

const MOST_POINTS = 2048;

/** The same for a graphics processor, which goes straight from point to point. */
export function shade(viewport: Types.IStackViewport, look: Look, invert: boolean): void {
  const actor = viewport.getDefaultActor()?.actor as unknown as { getProperty(): { setRGBTransferFunction(at: number, way: unknown): void } } | undefined;
  if (!actor) return;
  const way = utilities.createLinearRGBTransferFunction({ lower: 0, upper: 1 });
  way.removeAllPoints();
  for (const value of pointsOf(look)) {
    const gray = brightness(look, value);
    const shown = invert ? 1 - gray : gray;
    way.addRGBPoint(value, shown, shown, shown);
  }
  actor.getProperty().setRGBTransferFunction(0, way);
}

function pointsOf({ center, width, table, function: way }: Look): number[] {
  if (table) {
    const step = Math.max(1, Math.ceil(table.entries.length / MOST_POINTS));
    const points = Array.from({ length: Math.ceil(table.entries.length / step) }, (_, at) => table.first + at * step);
    return points.length > 1 ? points : [table.first, table.first + 1];
  }
  if (way === 'SIGMOID') return Array.from({ length: 257 }, (_, at) => center + width * ((at - 128) / 64));
  const half = way === 'LINEAR' ? Math.max(0.01, (width - 1) / 2) : width / 2;
  const middle = way === 'LINEAR' ? center - 0.5 : center;
  return [middle - half, middle + half];
}
