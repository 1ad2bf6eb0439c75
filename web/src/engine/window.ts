// A window that a reader chooses: in values, where these have a common scale (CT); else one of those that the image itself
// brings, or its own made narrower or wider. Values of MR, CR, DX and MG mean something else in each image, so that a window
// in numbers would be right for one and black for the next.

import type { Slice } from '../dicom/slice.ts';
import { ownLook } from './shade.ts';

export interface Window {
  center: number;
  width: number;
}

/** `times` its own width; or its `nth` window, from 0. */
export type Chosen = Window | { times: number } | { nth: number };

/** What was chosen, for an image; nothing where the image has no such window, or a table in its place. */
export function windowOf(chosen: Chosen, slice: Slice): Window | undefined {
  if ('center' in chosen) return chosen;
  if ('nth' in chosen) return slice.values.windows[chosen.nth];
  const own = ownLook(slice.imageId);
  return own && !own.table ? { center: own.center, width: Math.max(1, own.width * chosen.times) } : undefined;
}
