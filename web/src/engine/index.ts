// The engine behind the panes, loaded only when images are to be shown. Everything of Cornerstone stays behind this module.

import { cache, Enums, eventTarget, imageLoader, init as initCore, RenderingEngine, setUseCPURendering, type Types, utilities } from '@cornerstonejs/core';
import type { Slice } from '../dicom/slice.ts';
import { giveUpGpu, type Renderer } from './capability.ts';
import { crossing, nearest, type Segment } from './geometry.ts';
import { installLoader, register, rescaleOf } from './loader.ts';
import { drawMarks, magnification, placementOf, sidesOf } from './marks.ts';
import { chosen, installTools, joinGroup, leaveGroup } from './tools.ts';

export { choose, clearMeasurements, clearSelected, type ToolName } from './tools.ts';
export { isVolume } from './geometry.ts';
export { EMPTY };

const { Events, ViewportType } = Enums;
const ENGINE = 'panes';
/** Frames that are fetched ahead at the same time. */
const AHEAD = 4;

export interface PaneView {
  slice: Slice | undefined;
  index: number;
  count: number;
  center: number;
  width: number;
  /** Image pixels to CSS pixels. */
  zoom: number;
  isColor: boolean;
  /** Letters of the right, left, lower and upper side. */
  sides: string;
  state: 'empty' | 'loading' | 'shown' | 'failed';
  loaded: number;
  error: string;
}

interface Pane {
  id: string;
  element: HTMLDivElement;
  marks: HTMLCanvasElement;
  slices: Slice[];
  view: PaneView;
  wanted: number;
  /** What the reader chose; else each image has its own. */
  window: { center: number; width: number } | undefined;
  inverted: boolean;
  isPressed: boolean;
  series: number;
  onChange: (view: PaneView) => void;
}

const EMPTY: PaneView = { slice: undefined, index: 0, count: 0, center: 0, width: 0, zoom: 1, isColor: false, sides: '', state: 'empty', loaded: 0, error: '' };

let engine: RenderingEngine;
let renderer: Renderer = 'cpu';
const panes = new Map<string, Pane>();
export const options = { overlay: true, lines: true, linked: false };
let active = '';

export function start(by: Renderer): void {
  renderer = by;
  initCore({ rendering: { useCPURendering: by === 'cpu' } } as never);
  setUseCPURendering(by === 'cpu', false);
  installLoader(by === 'cpu');
  installTools();
  engine = new RenderingEngine(ENGINE);
  eventTarget.addEventListener(Events.IMAGE_LOAD_ERROR, ((event: CustomEvent<{ imageId: string; error?: Error }>) => {
    for (const pane of panes.values()) {
      if (pane.slices[pane.wanted]?.imageId === event.detail.imageId) fail(pane, event.detail.error);
    }
  }) as EventListener);
  if (by === 'gpu') {
    window.addEventListener('webglcontextlost', giveUpGpu, true);
    eventTarget.addEventListener('CORNERSTONE_WEBGL_CONTEXT_LOST', giveUpGpu);
    eventTarget.addEventListener((Events as Record<string, string>)['WEBGL_CONTEXT_LOST'] ?? 'WEBGL_CONTEXT_LOST', giveUpGpu);
  }
}

const viewportOf = (id: string): Types.IStackViewport | undefined => engine.getViewport(id) as Types.IStackViewport | undefined;

export function attach(id: string, element: HTMLDivElement, marks: HTMLCanvasElement, onChange: (view: PaneView) => void): void {
  const pane: Pane = { id, element, marks, slices: [], view: EMPTY, wanted: 0, window: undefined, inverted: false, isPressed: false, series: 0, onChange };
  panes.set(id, pane);
  engine.enableElement({ viewportId: id, element, type: ViewportType.STACK, defaultOptions: { background: [0, 0, 0] } });
  joinGroup(id, ENGINE);
  element.addEventListener(Events.STACK_NEW_IMAGE, ((event: CustomEvent<{ imageIdIndex: number }>) => {
    const { imageIdIndex } = event.detail;
    // Without a graphics processor this is said before the image is put up, with a window of its own.
    queueMicrotask(() => viewportOf(pane.id)?.getCurrentImageId() === pane.slices[imageIdIndex]?.imageId && arrived(pane, imageIdIndex));
  }) as EventListener);
  element.addEventListener(Events.STACK_VIEWPORT_SCROLL, ((event: CustomEvent<{ newImageIdIndex: number }>) => {
    const to = event.detail.newImageIdIndex;
    if (to === pane.wanted) return;
    pane.wanted = to;
    change(pane, { index: to, slice: pane.slices[to], state: 'loading' });
  }) as EventListener);
  element.addEventListener(Events.VOI_MODIFIED, ((event: CustomEvent<{ range: { lower: number; upper: number } }>) => {
    const { windowCenter, windowWidth } = utilities.windowLevel.toWindowLevel(event.detail.range.lower, event.detail.range.upper);
    if (pane.isPressed && chosen() === 'window') pane.window = { center: windowCenter, width: windowWidth };
    change(pane, { center: windowCenter, width: windowWidth });
  }) as EventListener);
  element.addEventListener(Events.IMAGE_RENDERED, () => drawn(pane));
  element.addEventListener('pointerdown', () => (pane.isPressed = true), true);
  for (const name of ['pointerup', 'pointercancel']) window.addEventListener(name, () => (pane.isPressed = false), true);
}

export function detach(id: string): void {
  panes.delete(id);
  leaveGroup(id, ENGINE);
  engine.disableElement(id);
}

export function resize(): void {
  engine.resize(true, true);
}

function change(pane: Pane, changes: Partial<PaneView>): void {
  pane.view = { ...pane.view, ...changes };
  pane.onChange(pane.view);
}

function fail(pane: Pane, error?: Error): void {
  change(pane, { state: 'failed', error: error?.message ?? '' });
}

/** Puts a stack into a pane. */
export async function show(id: string, slices: Slice[], index: number): Promise<void> {
  const pane = panes.get(id);
  const viewport = viewportOf(id);
  if (!pane || !viewport || slices.length === 0) return;
  register(slices);
  const at = Math.min(slices.length - 1, Math.max(0, index));
  pane.series += 1;
  const series = pane.series;
  Object.assign(pane, { slices, wanted: at, window: undefined, inverted: false });
  change(pane, { ...EMPTY, slice: slices[at], index: at, count: slices.length, state: 'loading' });
  try {
    // The image first: what follows finds it in the cache.
    await imageLoader.loadAndCacheImage(slices[at]!.imageId);
    if (pane.series !== series) return;
    await viewport.setStack(slices.map((slice) => slice.imageId), at);
    arrived(pane, at);
    prefetch(pane, series).catch(() => undefined);
  } catch (error) {
    if (pane.series === series) fail(pane, error instanceof Error ? error : undefined);
  }
}

/** An image stands in the pane: it gets the window that the reader chose, or its own. */
function arrived(pane: Pane, index: number): void {
  const viewport = viewportOf(pane.id);
  const slice = pane.slices[index];
  if (!viewport || !slice) return;
  const image = cache.getImage(slice.imageId);
  if (image && !image.color) {
    const own = { center: Number([image.windowCenter].flat()[0]), width: Number([image.windowWidth].flat()[0]) };
    apply(viewport, pane.window ?? own, image.invert !== pane.inverted, slice.imageId);
  } else if (image && pane.inverted) {
    viewport.setProperties({ invert: true });
  }
  viewport.render();
  change(pane, { slice, index, isColor: image?.color ?? false, state: pane.wanted === index ? 'shown' : 'loading', error: '' });
  if (pane.wanted === index) follow(pane);
  for (const other of panes.values()) if (other !== pane && options.lines) drawn(other);
}

/** Windows are in the unit of the object; without fractions the numbers of the image are scaled only when drawn. */
function apply(viewport: Types.IStackViewport, window: { center: number; width: number }, invert: boolean, _imageId: string): void {
  const voiRange = utilities.windowLevel.toLowHighRange(window.width, window.center);
  viewport.setProperties({ voiRange, invert });
}

function drawn(pane: Pane): void {
  const viewport = viewportOf(pane.id);
  const { slice } = pane.view;
  if (!viewport || !slice || pane.view.state === 'empty' || pane.view.state === 'failed') return;
  if (!cache.getImage(slice.imageId) || viewport.getCurrentImageId() !== slice.imageId) return;
  drawMarks(pane.marks, viewport, slice, { overlay: options.overlay, lines: linesOf(pane), isKey: false });
  const placement = placementOf(viewport, slice);
  if (!placement) return;
  const zoom = magnification(placement);
  const sides = sidesOf(slice, placement).join(' ').trim();
  if (Math.abs(zoom - pane.view.zoom) > 0.0005 || sides !== pane.view.sides) change(pane, { zoom, sides });
}

function linesOf(pane: Pane): Segment[] {
  const source = panes.get(active)?.view.slice;
  const target = pane.view.slice;
  if (!options.lines || pane.id === active || !source || !target) return [];
  const line = crossing(source, target);
  return line ? [line] : [];
}

export function setActive(id: string): void {
  active = id;
  panes.forEach(drawn);
}

export const redraw = (): void => panes.forEach((pane) => drawn(pane));

/** Leafs to a frame, from 0. */
export function go(id: string, index: number): void {
  const pane = panes.get(id);
  const viewport = viewportOf(id);
  if (!pane || !viewport || pane.slices.length === 0) return;
  const to = Math.min(pane.slices.length - 1, Math.max(0, index));
  if (to === pane.wanted && pane.view.state !== 'failed') return;
  pane.wanted = to;
  change(pane, { index: to, state: 'loading', slice: pane.slices[to] });
  viewport.setImageIdIndex(to).then(
    // One that stood there already is not announced.
    () => pane.wanted === to && viewport.getCurrentImageId() === pane.slices[to]!.imageId && pane.view.state === 'loading' && arrived(pane, to),
    (error: Error) => pane.wanted === to && fail(pane, error),
  );
}

export const step = (id: string, by: number): void => {
  const pane = panes.get(id);
  if (pane) go(id, pane.wanted + by);
};

export function retry(id: string): void {
  const pane = panes.get(id);
  if (!pane) return;
  void show(id, pane.slices, pane.wanted);
}

/** Other panes go where this one is: to the nearest slice in the patient, else on by the same share of the way. */
function follow(pane: Pane): void {
  const slice = pane.view.slice;
  if (!options.linked || !slice || pane.id !== active) return;
  for (const other of panes.values()) {
    if (other === pane || other.slices.length === 0) continue;
    const near = nearest(other.slices, slice);
    const share = pane.slices.length > 1 ? pane.wanted / (pane.slices.length - 1) : 0;
    go(other.id, near ?? Math.round(share * (other.slices.length - 1)));
  }
}

/** Sets the window; nothing goes back to the images' own. */
export function setWindow(id: string, window: { center: number; width: number } | undefined): void {
  const pane = panes.get(id);
  if (!pane) return;
  pane.window = window;
  arrived(pane, pane.view.index);
}

export type Turn = 'right' | 'left' | 'flipH' | 'flipV' | 'invert' | 'fit' | 'actual' | 'reset' | 'in' | 'out';

export function turn(id: string, how: Turn): void {
  const pane = panes.get(id);
  const viewport = viewportOf(id);
  if (!pane || !viewport || pane.view.state === 'empty') return;
  const now = viewport.getViewPresentation();
  switch (how) {
    case 'right':
    case 'left':
      viewport.setViewPresentation({ ...now, rotation: ((now.rotation ?? 0) + (how === 'right' ? 90 : 270)) % 360 });
      break;
    case 'flipH':
      viewport.setCamera({ flipHorizontal: !viewport.getCamera().flipHorizontal });
      break;
    case 'flipV':
      viewport.setCamera({ flipVertical: !viewport.getCamera().flipVertical });
      break;
    case 'invert':
      pane.inverted = !pane.inverted;
      arrived(pane, pane.view.index);
      return;
    case 'fit':
      // Zoom 1 is the fitting one only with a graphics processor.
      viewport.resetCamera();
      viewport.setCamera({ flipHorizontal: now.flipHorizontal, flipVertical: now.flipVertical });
      viewport.setViewPresentation({ ...viewport.getViewPresentation(), rotation: now.rotation });
      break;
    case 'actual':
      viewport.setZoom(viewport.getZoom() / (pane.view.zoom || 1));
      break;
    case 'in':
    case 'out':
      viewport.setZoom(viewport.getZoom() * (how === 'in' ? 1.25 : 0.8));
      break;
    case 'reset':
      pane.window = undefined;
      pane.inverted = false;
      viewport.setCamera({ flipHorizontal: false, flipVertical: false });
      viewport.setViewPresentation({ ...now, rotation: 0, flipHorizontal: false, flipVertical: false });
      viewport.resetCamera();
      arrived(pane, pane.view.index);
      return;
  }
  viewport.render();
}

/** Fetches the rest of a stack, from the frame that is shown outwards. */
async function prefetch(pane: Pane, series: number): Promise<void> {
  const left = pane.slices.map((_, at) => at).sort((a, b) => Math.abs(a - pane.wanted) - Math.abs(b - pane.wanted));
  let done = 0;
  const isCurrent = () => panes.get(pane.id) === pane && pane.series === series;
  const room = () => cache.getCacheSize() < cache.getMaxCacheSize() * 0.9;
  const worker = async () => {
    for (let at = left.shift(); at !== undefined && isCurrent() && room(); at = left.shift()) {
      try {
        await imageLoader.loadAndCacheImage(pane.slices[at]!.imageId);
        done += 1;
        if (isCurrent()) change(pane, { loaded: done });
      } catch {
        // Said when the frame is looked at.
      }
    }
  };
  await Promise.all(Array.from({ length: AHEAD }, worker));
}

export const isCached = (slice: Slice): boolean => cache.getImage(slice.imageId) !== undefined;

export const sliceIn = (id: string, index: number): Slice | undefined => panes.get(id)?.slices[index];

/** The number under a point of the image, in the unit of its object. */
export function valueAt(slice: Slice, column: number, row: number): number | undefined {
  const image = cache.getImage(slice.imageId);
  if (!image || image.color || column < 0 || row < 0 || column >= image.columns || row >= image.rows) return undefined;
  const { slope, intercept } = rescaleOf(slice.imageId);
  return Number(image.getPixelData()[row * image.columns + column]) * slope + intercept;
}

/** What a pane shows, as one picture: image, measurements, marks. */
export async function picture(id: string, lines: string[]): Promise<HTMLCanvasElement | undefined> {
  const pane = panes.get(id);
  const viewport = viewportOf(id);
  if (!pane || !viewport) return undefined;
  const image = viewport.getCanvas();
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = pane.element;
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext('2d');
  if (!context) return undefined;
  context.fillStyle = '#000';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  context.drawImage(pane.marks, 0, 0, canvas.width, canvas.height);
  const drawing = pane.element.querySelector('svg.svg-layer') as SVGSVGElement | null;
  if (drawing) {
    const copy = drawing.cloneNode(true) as SVGSVGElement;
    copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
    copy.setAttribute('width', String(width));
    copy.setAttribute('height', String(height));
    const address = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: 'image/svg+xml' }));
    const layer = new Image();
    layer.src = address;
    await layer.decode().catch(() => undefined);
    if (layer.naturalWidth > 0) context.drawImage(layer, 0, 0, canvas.width, canvas.height);
    URL.revokeObjectURL(address);
  }
  context.scale(ratio, ratio);
  context.font = '13px system-ui, "Noto Sans SC", "Microsoft YaHei", sans-serif';
  context.fillStyle = '#e8eef2';
  context.strokeStyle = '#000';
  context.lineWidth = 3;
  lines.forEach((line, at) => {
    context.strokeText(line, 10, 20 + at * 18);
    context.fillText(line, 10, 20 + at * 18);
  });
  return canvas;
}

export const rendererInUse = (): Renderer => renderer;
