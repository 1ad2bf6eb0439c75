// The shutter of an image, drawn into the pane's own picture each time that the image is drawn: so it lies under all that is
// drawn over images, with and without a graphics processor alike, and stands in what is kept and printed.

import type { Types } from '@cornerstonejs/core';
import { number } from '../dicom/json.ts';
import { type Shutter, shutterOf } from '../dicom/shutter.ts';
import type { Slice } from '../dicom/slice.ts';
import { magnification, placementOf } from './marks.ts';
import { intoImage } from './planes.ts';

export function cover(viewport: Types.IStackViewport, slice: Slice): void {
  const shutter = shutterOf(slice.data);
  const canvas = viewport.getCanvas();
  const placement = shutter && canvas.clientWidth > 0 ? placementOf(viewport, slice) : undefined;
  const context = canvas.getContext('2d');
  if (!shutter || !placement || !context) return;
  // As far as a pixel of the screen that the image has only a part of.
  const edge = 1 / magnification(placement);
  const columns = number(slice.data, '00280011') ?? 0;
  const rows = number(slice.data, '00280010') ?? 0;
  context.save();
  intoImage(context, placement, canvas.width / canvas.clientWidth);
  context.beginPath();
  context.rect(-edge, -edge, columns + 2 * edge, rows + 2 * edge);
  context.clip();
  context.fillStyle = `rgb(${shutter.level}, ${shutter.level}, ${shutter.level})`;
  for (const shape of shapesOf(shutter)) {
    context.beginPath();
    context.rect(-edge, -edge, columns + 2 * edge, rows + 2 * edge);
    shape(context);
    context.fill('evenodd');
  }
  context.restore();
}

type Shape = (context: CanvasRenderingContext2D) => void;

/** Outlines of what is seen, in pixels of the image from the outer corner of the first one. */
function shapesOf({ rectangle, circle, polygon }: Shutter): Shape[] {
  const shapes: Shape[] = [];
  if (rectangle) {
    const [top, bottom, left, right] = rectangle;
    shapes.push((context) => context.rect(left - 1, top - 1, Math.max(0, right - left + 1), Math.max(0, bottom - top + 1)));
  }
  if (circle) {
    const [row, column, radius] = circle;
    shapes.push((context) => {
      context.moveTo(column - 0.5 + Math.max(0, radius), row - 0.5);
      context.arc(column - 0.5, row - 0.5, Math.max(0, radius), 0, 2 * Math.PI);
    });
  }
  if (polygon.length > 2) {
    shapes.push((context) => {
      polygon.forEach(([row, column], at) => (at === 0 ? context.moveTo(column - 0.5, row - 0.5) : context.lineTo(column - 0.5, row - 0.5)));
      context.closePath();
    });
  }
  return shapes;
}
