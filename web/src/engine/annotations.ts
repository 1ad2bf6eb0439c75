// What a presentation state has drawn on an image (PS3.3 section C.10.5): points, lines, curves, circles, ellipses, texts.

import { type Area, covers, type Graphic, type Presentation, type Words } from '../dicom/presentation.ts';
import type { Slice } from '../dicom/slice.ts';
import { number } from '../dicom/json.ts';
import type { Placement } from './marks.ts';

type Point = [number, number];
type Way = (units: 'PIXEL' | 'DISPLAY', point: Point) => Point;

const COLOR = '#9ef0ff';

export function drawPresentation(context: CanvasRenderingContext2D, presentation: Presentation, slice: Slice, placement: Placement): void {
  const place = placing(slice, placement, areaFor(presentation, slice));
  const isHere = (part: { scope: Graphic['scope'] }) => covers(part.scope ?? presentation.images, slice.instanceUid, slice.frame);
  context.save();
  context.lineWidth = 1.5;
  context.strokeStyle = COLOR;
  context.fillStyle = COLOR;
  context.shadowColor = '#000';
  context.shadowBlur = 2;
  presentation.graphics.filter(isHere).forEach((graphic) => drawGraphic(context, graphic, place));
  context.font = '14px system-ui, "Noto Sans SC", "Microsoft YaHei", sans-serif';
  presentation.words.filter(isHere).forEach((words) => drawWords(context, words, place));
  context.restore();
}

/** The part of an image that a presentation state shows. */
export function areaFor(presentation: Presentation, slice: Slice): Area | undefined {
  return presentation.areas.find((area) => covers(area.scope ?? presentation.images, slice.instanceUid, slice.frame));
}

function placing(slice: Slice, { origin, column, row }: Placement, area: Area | undefined): Way {
  const columns = number(slice.data, '00280011') ?? 1;
  const rows = number(slice.data, '00280010') ?? 1;
  const [left, top] = area ? [area.from[0] - 1, area.from[1] - 1] : [0, 0];
  const [right, bottom] = area ? area.to : [columns, rows];
  return (units, [x, y]) => {
    // Shares of the displayed area, or pixels from the outer corner of the first one.
    const [across, down] = units === 'DISPLAY' ? [left + x * (right - left), top + y * (bottom - top)] : [x, y];
    return [origin[0] + column[0] * (across - 0.5) + row[0] * (down - 0.5), origin[1] + column[1] * (across - 0.5) + row[1] * (down - 0.5)];
  };
}

function drawGraphic(context: CanvasRenderingContext2D, graphic: Graphic, place: Way): void {
  const points = graphic.points.map((point) => place(graphic.units, point));
  const [first, second, third, fourth] = points as [Point, Point, Point, Point];
  context.beginPath();
  switch (graphic.kind) {
    case 'POINT':
      context.arc(first[0], first[1], 3, 0, 2 * Math.PI);
      context.fill();
      return;
    case 'POLYLINE':
      points.forEach(([x, y], at) => (at === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
      break;
    case 'INTERPOLATED':
      curve(context, points);
      break;
    case 'CIRCLE':
      context.arc(first[0], first[1], Math.hypot(second[0] - first[0], second[1] - first[1]), 0, 2 * Math.PI);
      break;
    case 'ELLIPSE': {
      // The ends of the major axis, then those of the minor one.
      const middle: Point = [(first[0] + second[0]) / 2, (first[1] + second[1]) / 2];
      const major = Math.hypot(second[0] - first[0], second[1] - first[1]) / 2;
      const minor = Math.hypot(fourth[0] - third[0], fourth[1] - third[1]) / 2;
      context.ellipse(middle[0], middle[1], major, minor, Math.atan2(second[1] - first[1], second[0] - first[0]), 0, 2 * Math.PI);
      break;
    }
  }
  if (graphic.isFilled) {
    context.globalAlpha = 0.35;
    context.fill();
    context.globalAlpha = 1;
  }
  context.stroke();
}

/** A smooth curve through all points (Catmull-Rom). */
function curve(context: CanvasRenderingContext2D, points: Point[]): void {
  const at = (index: number) => points[Math.min(points.length - 1, Math.max(0, index))]!;
  context.moveTo(...at(0));
  for (let index = 0; index + 1 < points.length; index += 1) {
    const [before, from, to, after] = [at(index - 1), at(index), at(index + 1), at(index + 2)];
    context.bezierCurveTo(from[0] + (to[0] - before[0]) / 6, from[1] + (to[1] - before[1]) / 6, to[0] - (after[0] - from[0]) / 6, to[1] - (after[1] - from[1]) / 6, to[0], to[1]);
  }
}

const LINE = 18;

function drawWords(context: CanvasRenderingContext2D, words: Words, place: Way): void {
  const anchor = words.anchor && place(words.anchor.units, words.anchor.at);
  let [x, y] = anchor ? [anchor[0] + 8, anchor[1] - 4] : [0, 0];
  context.textBaseline = 'alphabetic';
  context.textAlign = 'left';
  if (words.box) {
    const from = place(words.box.units, words.box.from);
    const to = place(words.box.units, words.box.to);
    const [left, right, top] = [Math.min(from[0], to[0]), Math.max(from[0], to[0]), Math.min(from[1], to[1])];
    [x, y] = [left, top + 14];
    if (words.box.align === 'RIGHT') [x, context.textAlign] = [right, 'right'];
    else if (words.box.align === 'CENTER') [x, context.textAlign] = [(left + right) / 2, 'center'];
    if (anchor && words.anchor!.isVisible) {
      context.beginPath();
      context.moveTo((left + right) / 2, top + (LINE * words.lines.length) / 2);
      context.lineTo(anchor[0], anchor[1]);
      context.stroke();
    }
  }
  words.lines.forEach((line, at) => context.fillText(line, x, y + at * LINE));
}
