// Measuring without a mouse: Enter brings a cross, arrows move it, each further Enter sets a point, and the last point makes
// the same measurement that dragging makes.

import type { Types } from '@cornerstonejs/core';
import { AngleTool, annotation, EllipticalROITool, LengthTool, RectangleROITool, utilities } from '@cornerstonejs/tools';
import { type Pane, panes, viewportOf } from './pane.ts';
import { chosen } from './tools.ts';

type Point = [number, number];
type Measure = 'length' | 'angle' | 'ellipse' | 'rectangle';

const CLASSES = { length: LengthTool, angle: AngleTool, ellipse: EllipticalROITool, rectangle: RectangleROITool };
const POINTS: Record<Measure, number> = { length: 2, angle: 3, ellipse: 2, rectangle: 2 };
/** CSS pixels of a step, and of a small one. */
const STEP = 10;
const SMALL = 1;
const WAYS: Record<string, Point> = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

interface Cross {
  pane: Pane;
  tool: Measure;
  at: Point;
  set: Point[];
  drawing: SVGSVGElement;
  imageId: string | undefined;
}

let cross: Cross | undefined;

/** What became of a key: nothing, when it is not for measuring; else how many points are set, and of how many. */
export function pressPoint(id: string, key: string, isSmall: boolean): { set: number; of: number } | undefined {
  const tool = chosen();
  // Another tool, pane or image: it belongs to what is gone.
  if (cross && (cross.pane.id !== id || cross.tool !== tool || panes.get(id) !== cross.pane || viewportOf(id)?.getCurrentImageId() !== cross.imageId)) leave();
  if (!cross) return key === 'Enter' && tool in POINTS ? begin(id, tool as Measure) : undefined;
  const of = POINTS[cross.tool];
  const way = WAYS[key];
  if (way) {
    const by = isSmall ? SMALL : STEP;
    const { clientWidth, clientHeight } = cross.pane.element;
    cross.at = [within(cross.at[0] + way[0] * by, clientWidth), within(cross.at[1] + way[1] * by, clientHeight)];
  } else if (key === 'Enter') {
    cross.set.push(cross.at);
    if (cross.set.length === of) {
      finish(cross);
      leave();
      return { set: of, of };
    }
  } else if (key === 'Escape') {
    leave();
    return { set: 0, of };
  } else {
    return undefined;
  }
  draw(cross);
  return { set: cross.set.length, of };
}

const within = (value: number, size: number): number => Math.min(size - 1, Math.max(0, value));

function begin(id: string, tool: Measure): { set: number; of: number } | undefined {
  const pane = panes.get(id);
  if (!pane || pane.view.state !== 'shown') return undefined;
  const { clientWidth, clientHeight } = pane.element;
  const drawing = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  drawing.setAttribute('class', 'cross');
  pane.element.append(drawing);
  cross = { pane, tool, at: [Math.round(clientWidth / 2), Math.round(clientHeight / 2)], set: [], drawing, imageId: viewportOf(id)?.getCurrentImageId() };
  draw(cross);
  return { set: 0, of: POINTS[tool] };
}

function leave(): void {
  cross?.drawing.remove();
  cross = undefined;
}

function draw({ at: [x, y], set, drawing }: Cross): void {
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  const lines = [...set, [x, y]].map(([px, py], nth) => `${nth === 0 ? 'M' : 'L'}${px} ${py}`).join('');
  const arms = `M${x - 14} ${y}h9m10 0h9M${x} ${y - 14}v9m0 10v9`;
  path.setAttribute('d', lines + arms);
  drawing.textContent = '';
  drawing.append(path);
}

function finish({ pane, tool, set }: Cross): void {
  const viewport = viewportOf(pane.id);
  if (!viewport) return;
  const corners = ([[ax, ay], [bx, by]]: [Point, Point]): Point[] => [[ax, ay], [bx, ay], [ax, by], [bx, by]];
  const ends = ([[ax, ay], [bx, by]]: [Point, Point]): Point[] => {
    const [mx, my] = [(ax + bx) / 2, (ay + by) / 2];
    return [[mx, Math.max(ay, by)], [mx, Math.min(ay, by)], [Math.min(ax, bx), my], [Math.max(ax, bx), my]];
  };
  const pair = [set[0]!, set[1]!] as [Point, Point];
  const shape = tool === 'rectangle' ? corners(pair) : tool === 'ellipse' ? ends(pair) : set;
  const one = CLASSES[tool].createAnnotationForViewport(viewport, {});
  one.data.handles!.points = shape.map((point) => viewport.canvasToWorld(point as Types.Point2));
  annotation.state.addAnnotation(one, viewport.element);
  utilities.triggerAnnotationRenderForViewportIds([viewport.id]);
}
