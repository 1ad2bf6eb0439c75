// What is drawn over an image: letters of its sides, a scale bar, its overlay planes, lines where other images cross it.

import type { Types } from '@cornerstonejs/core';
import { directions, lettersOf, pointAt, type Slice, type Vector } from '../dicom/slice.ts';
import type { Presentation } from '../dicom/presentation.ts';
import { drawPresentation } from './annotations.ts';
import type { Segment } from './geometry.ts';
import { drawPlanes } from './planes.ts';

/** How pixels of the image lie on the pane: origin, one column to the right, one row down, in CSS pixels. */
export interface Placement {
  origin: [number, number];
  column: [number, number];
  row: [number, number];
}

export function placementOf(viewport: Types.IStackViewport, slice: Slice): Placement | undefined {
  const at = (column: number, row: number): [number, number] | undefined => {
    const point = viewport.worldToCanvas(pointAt(slice.plane, column, row) as Types.Point3);
    return point && Number.isFinite(point[0]) && Number.isFinite(point[1]) ? [point[0], point[1]] : undefined;
  };
  const [origin, right, down] = [at(0, 0), at(100, 0), at(0, 100)];
  if (!origin || !right || !down) return undefined;
  return {
    origin,
    column: [(right[0] - origin[0]) / 100, (right[1] - origin[1]) / 100],
    row: [(down[0] - origin[0]) / 100, (down[1] - origin[1]) / 100],
  };
}

/** CSS pixels of one pixel of the image, across its columns. */
export const magnification = (placement: Placement): number => Math.hypot(...placement.column);

export interface Marks {
  overlay: boolean;
  lines: Segment[];
  presentation: Presentation | undefined;
}

export function drawMarks(canvas: HTMLCanvasElement, viewport: Types.IStackViewport, slice: Slice, marks: Marks): void {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext('2d');
  if (!context) return;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const placement = placementOf(viewport, slice);
  if (!placement) return;
  if (marks.overlay) drawPlanes(context, slice, placement, ratio, () => viewport.render());
  if (marks.presentation) drawPresentation(context, marks.presentation, slice, placement);
  drawLines(context, viewport, marks.lines);
  if (!marks.overlay) return;
  drawSides(context, slice, placement, width, height);
  drawScaleBar(context, slice, placement, width, height);
}

function label(context: CanvasRenderingContext2D, words: string, x: number, y: number): void {
  context.lineWidth = 3;
  context.strokeStyle = 'rgba(0, 0, 0, 0.85)';
  context.strokeText(words, x, y);
  context.fillStyle = '#f3d48b';
  context.fillText(words, x, y);
}

/** Letters of the sides: right, left, bottom, top. Empty when the object does not say how it lies in the patient. */
export function sidesOf(slice: Slice, placement: Pick<Placement, 'column' | 'row'>): [string, string, string, string] {
  const known = directions(slice.plane);
  const [cx, cy] = placement.column;
  const [rx, ry] = placement.row;
  const size = cx * ry - cy * rx;
  if (!known || size === 0) return ['', '', '', ''];
  // Which way in the image leads to the right and down on the pane.
  const vector = (column: number, row: number): Vector =>
    [0, 1, 2].map((axis) => known.row[axis]! * column + known.column[axis]! * row) as Vector;
  const edge = Math.hypot(cx, cy);
  const end = Math.hypot(rx, ry);
  const right = vector((ry / size) * edge, (-cy / size) * end);
  const down = vector((-rx / size) * edge, (cx / size) * end);
  const opposite = (way: Vector): Vector => [-way[0], -way[1], -way[2]];
  return [lettersOf(right), lettersOf(opposite(right)), lettersOf(down), lettersOf(opposite(down))];
}

function drawSides(context: CanvasRenderingContext2D, slice: Slice, placement: Placement, width: number, height: number): void {
  const [right, left, bottom, top] = sidesOf(slice, placement);
  context.font = '600 15px system-ui, sans-serif';
  context.textBaseline = 'middle';
  context.textAlign = 'right';
  label(context, right, width - 22, height / 2);
  context.textAlign = 'left';
  label(context, left, 10, height / 2);
  context.textAlign = 'center';
  label(context, bottom, width / 2, height - 14);
  label(context, top, width / 2, 14);
}

function drawScaleBar(context: CanvasRenderingContext2D, slice: Slice, placement: Placement, width: number, height: number): void {
  const { scale, spacing } = slice.plane;
  if (scale === 'regions' || scale === 'none') return;
  const perMillimetre = Math.hypot(...placement.row) / spacing[0];
  const steps = [1, 2, 5, 10, 20, 50, 100, 200];
  const length = steps.filter((step) => step * perMillimetre < Math.min(140, width * 0.3)).pop();
  if (!length || width < 260 || height < 220) return;
  const pixels = length * perMillimetre;
  const [right, bottom] = [width - 26, height - 34];
  const path = () => {
    context.beginPath();
    context.moveTo(right - pixels, bottom - 5);
    context.lineTo(right - pixels, bottom);
    context.lineTo(right, bottom);
    context.lineTo(right, bottom - 5);
    context.stroke();
  };
  context.lineWidth = 4;
  context.strokeStyle = 'rgba(0, 0, 0, 0.8)';
  path();
  context.lineWidth = 1.5;
  context.strokeStyle = '#dfe7ec';
  path();
  context.font = '12px system-ui, sans-serif';
  context.textAlign = 'right';
  context.textBaseline = 'bottom';
  label(context, length >= 10 ? `${length / 10} cm` : `${length} mm`, right, bottom - 6);
}

function drawLines(context: CanvasRenderingContext2D, viewport: Types.IStackViewport, lines: Segment[]): void {
  context.lineWidth = 1.2;
  context.strokeStyle = '#5ec8f2';
  for (const [from, to] of lines) {
    const a = viewport.worldToCanvas(from as Types.Point3);
    const b = viewport.worldToCanvas(to as Types.Point3);
    context.beginPath();
    context.moveTo(a[0], a[1]);
    context.lineTo(b[0], b[1]);
    context.stroke();
  }
}
