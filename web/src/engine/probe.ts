// What stands under the mouse: column and row of the pixel, from 1 as the standard counts them, and its value in the unit of
// its object. Written past the page's own words, at most once for a frame of the screen: a mouse moves often.

import { cache, Enums } from '@cornerstonejs/core';
import type { Slice } from '../dicom/slice.ts';
import { rescaleOf } from './loader.ts';
import { placementOf } from './marks.ts';
import { type Pane, panes, viewportOf } from './pane.ts';

export function watchProbe(pane: Pane, line: HTMLElement): void {
  let at: [number, number] | undefined;
  let due = 0;
  const write = () => {
    due = 0;
    line.textContent = at && panes.get(pane.id) === pane ? under(pane, ...at) : '';
  };
  const soon = () => {
    due ||= requestAnimationFrame(write);
  };
  pane.element.addEventListener('pointermove', ({ pointerType, clientX, clientY }) => {
    if (pointerType !== 'mouse') return;
    at = [clientX, clientY];
    soon();
  });
  pane.element.addEventListener('pointerleave', () => {
    at = undefined;
    soon();
  });
  // The next image comes under a mouse that rests.
  pane.element.addEventListener(Enums.Events.IMAGE_RENDERED, () => at && soon());
}

function under(pane: Pane, clientX: number, clientY: number): string {
  const viewport = viewportOf(pane.id);
  const { slice, state } = pane.view;
  if (!viewport || !slice || state !== 'shown') return '';
  const placement = placementOf(viewport, slice);
  if (!placement) return '';
  const box = pane.element.getBoundingClientRect();
  const [dx, dy] = [clientX - box.left - placement.origin[0], clientY - box.top - placement.origin[1]];
  const [across, down] = [placement.column, placement.row];
  const size = across[0] * down[1] - across[1] * down[0];
  if (size === 0) return '';
  const column = Math.round((dx * down[1] - dy * down[0]) / size);
  const row = Math.round((dy * across[0] - dx * across[1]) / size);
  const value = valueAt(slice, column, row);
  if (value === undefined) return '';
  const figure = Number.isInteger(value) ? value : Number(value.toPrecision(5));
  return `${column + 1}, ${row + 1}: ${figure}${slice.values.unit && ` ${slice.values.unit}`}`;
}

/** The value of a pixel, in the unit of its object; colours have none. */
function valueAt(slice: Slice, column: number, row: number): number | undefined {
  const image = cache.getImage(slice.imageId);
  if (!image || image.color || column < 0 || row < 0 || column >= image.columns || row >= image.rows) return undefined;
  const { slope, intercept } = rescaleOf(slice.imageId);
  return Number(image.getPixelData()[row * image.columns + column]) * slope + intercept;
}
