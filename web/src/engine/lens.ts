// A magnifying glass: while a button or a finger is down, the pixels around it, as large as they are stored and larger.

import { cache } from '@cornerstonejs/core';
import { isSeen, shutterOf } from '../dicom/shutter.ts';
import { placementOf } from './marks.ts';
import { type Pane, panes, viewportOf } from './pane.ts';
import { level, lookFor } from './shade.ts';

const RADIUS = 95;

/** Follows the pointer over a pane for as long as `isChosen` holds. */
export function watchLens(pane: Pane, isChosen: () => boolean): void {
  let lens: HTMLCanvasElement | undefined;
  const end = () => {
    lens?.remove();
    lens = undefined;
  };
  const follow = (event: PointerEvent) => {
    if (!lens || panes.get(pane.id) !== pane) return end();
    const box = pane.element.getBoundingClientRect();
    draw(pane, lens, event.clientX - box.left, event.clientY - box.top);
  };
  pane.element.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || !event.isPrimary || !isChosen() || pane.view.state !== 'shown') return;
    end();
    lens = document.createElement('canvas');
    lens.className = 'lens';
    pane.element.append(lens);
    pane.element.setPointerCapture(event.pointerId);
    follow(event);
  });
  pane.element.addEventListener('pointermove', follow);
  for (const name of ['pointerup', 'pointercancel', 'lostpointercapture'] as const) pane.element.addEventListener(name, end);
}

function draw(pane: Pane, lens: HTMLCanvasElement, x: number, y: number): void {
  const viewport = viewportOf(pane.id);
  const slice = pane.view.slice;
  const image = slice && cache.getImage(slice.imageId);
  const placement = viewport && slice && placementOf(viewport, slice);
  if (!viewport || !slice || !image || !placement) return;
  const ratio = window.devicePixelRatio || 1;
  const side = Math.round(RADIUS * 2 * ratio);
  if (lens.width !== side) lens.width = lens.height = side;
  Object.assign(lens.style, { left: `${x - RADIUS}px`, top: `${y - RADIUS}px`, width: `${RADIUS * 2}px`, height: `${RADIUS * 2}px` });
  const context = lens.getContext('2d');
  if (!context) return;
  const { origin, column, row } = placement;
  const size = column[0] * row[1] - column[1] * row[0];
  if (size === 0) return;
  // Twice what the pane shows, and never less than one pixel of the image for one of the screen.
  const times = Math.max(2, 1 / Math.hypot(...column));
  lens.dataset['times'] = times.toFixed(2);
  const out = context.createImageData(side, side);
  const shutter = shutterOf(slice.data);
  const shown = pixelsOf(slice.imageId, viewport.getProperties().voiRange, viewport.getProperties().invert ?? false);
  for (let down = 0; down < side; down += 1) {
    for (let across = 0; across < side; across += 1) {
      const dx = x + (across / ratio - RADIUS) / times - origin[0];
      const dy = y + (down / ratio - RADIUS) / times - origin[1];
      const at = Math.round((dx * row[1] - dy * row[0]) / size);
      const line = Math.round((dy * column[0] - dx * column[1]) / size);
      const to = (down * side + across) * 4;
      const isInside = at >= 0 && line >= 0 && at < image.columns && line < image.rows;
      if (isInside && shutter && !isSeen(shutter, line + 1, at + 1)) out.data.fill(shutter.level, to, to + 3);
      else if (isInside) shown(line * image.columns + at, out.data, to);
      out.data[to + 3] = 255;
    }
  }
  context.putImageData(out, 0, 0);
}

type Paint = (pixel: number, data: Uint8ClampedArray, to: number) => void;

function pixelsOf(imageId: string, range: { lower: number; upper: number } | undefined, invert: boolean): Paint {
  const image = cache.getImage(imageId)!;
  const pixels = image.getPixelData();
  if (image.color) {
    const step = image.rgba ? 4 : 3;
    return (pixel, data, to) => {
      for (let channel = 0; channel < 3; channel += 1) data[to + channel] = pixels[pixel * step + channel]!;
    };
  }
  const { lower, upper } = range ?? { lower: 0, upper: 1 };
  const look = lookFor(imageId, (lower + upper + 1) / 2, Math.abs(upper - lower) + 1);
  const known = new Map<number, number>();
  return (pixel, data, to) => {
    const stored = Number(pixels[pixel]);
    let gray = known.get(stored);
    if (gray === undefined) known.set(stored, (gray = level(look, stored * image.slope + image.intercept, invert)));
    data[to] = data[to + 1] = data[to + 2] = gray;
  };
}
