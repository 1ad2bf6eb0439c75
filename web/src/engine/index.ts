// The engine behind the panes, loaded only when images are to be shown. Everything of Cornerstone stays behind this module.

import { cache, Enums, eventTarget, imageLoader, init as initCore, RenderingEngine, setUseCPURendering, utilities } from '@cornerstonejs/core';
import { TooLarge } from '../dicom/frames.ts';
import { covers, type Presentation } from '../dicom/presentation.ts';
import type { Slice } from '../dicom/slice.ts';
import { type Renderer, switchRenderer } from './capability.ts';
import { cover } from './cover.ts';
import { crossing, nearest, type Segment } from './geometry.ts';
import { layOut, lookOfState, move, presentationOn } from './layout.ts';
import { watchLens } from './lens.ts';
import { installLoader, register, sliceById } from './loader.ts';
import { drawMarks, magnification, placementOf, sidesOf } from './marks.ts';
import { toolUnder } from './mouse.ts';
import { change, EMPTY, type Pane, panes, type PaneView, useEngine, viewportOf } from './pane.ts';
import { watchProbe } from './probe.ts';
import { lookFor, ownLook, shade } from './shade.ts';
import { chosen, installTools, joinGroup, leaveGroup } from './tools.ts';
import { type Chosen, windowOf } from './window.ts';

export { graphics, switchRenderer } from './capability.ts';
export { isVolume } from './geometry.ts';
export { EMPTY, type PaneView } from './pane.ts';
export { pressPoint } from './keypoint.ts';
export { picture } from './picture.ts';
export type { Chosen } from './window.ts';
export { CHOICES, keepMouse, type Mouse, mouse, type ToolName } from './mouse.ts';
export { choose, clearMeasurements, clearSelected } from './tools.ts';

const { Events, ViewportType } = Enums;
const ENGINE = 'panes';
/** Frames that are fetched ahead at the same time. */
const AHEAD = 4;

/** Contexts of WebGL for an engine, of which there are two: Chromium takes the oldest away when there are more than 16. */
const CONTEXTS = 4;

let engine: RenderingEngine;
let renderer: Renderer = 'cpu';
export const options = { overlay: true, lines: true, linked: false };
let active = '';

export function start(by: Renderer): void {
  renderer = by;
  // Without a graphics processor Cornerstone is not asked to look what one can do: where it is emulated, that takes longer than
  // all else.
  if (by === 'gpu') initCore({ rendering: { useCPURendering: false, webGlContextCount: CONTEXTS } } as never);
  setUseCPURendering(by === 'cpu', false);
  installLoader(by === 'cpu');
  installTools();
  engine = new RenderingEngine(ENGINE);
  useEngine(engine);
  eventTarget.addEventListener(Events.IMAGE_LOAD_ERROR, ((event: CustomEvent<{ imageId: string; error?: Error }>) => {
    for (const pane of panes.values()) {
      if (pane.slices[pane.wanted]?.imageId === event.detail.imageId) fail(pane, event.detail.error);
    }
  }) as EventListener);
  if (by === 'gpu') {
    // Some drivers give up in the midst of it: images are worth more than their speed.
    const giveUp = () => switchRenderer('cpu');
    window.addEventListener('webglcontextlost', giveUp, true);
    eventTarget.addEventListener((Events as Record<string, string>)['WEBGL_CONTEXT_LOST'] ?? 'CORNERSTONE_WEBGL_CONTEXT_LOST', giveUp);
  }
}

/** The elements of a pane: where images stand, what is drawn over them, the line that says what is under the mouse. */
export interface PaneParts {
  element: HTMLDivElement;
  marks: HTMLCanvasElement;
  probe: HTMLElement;
}

export function attach(id: string, parts: PaneParts, onChange: (view: PaneView) => void): void {
  const { element, marks } = parts;
  const pane: Pane = {
    id, element, marks, slices: [], view: EMPTY, wanted: 0, window: undefined, inverted: false, presentation: undefined, isLaidOut: true, pressed: undefined, series: 0, onChange,
  };
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
    if (pane.pressed === 'window') pane.window = { center: windowCenter, width: windowWidth };
    darken(pane, windowCenter, windowWidth);
  }) as EventListener);
  element.addEventListener(Events.IMAGE_RENDERED, () => {
    // Whichever image that is: another one may be on its way.
    const viewport = viewportOf(pane.id);
    const slice = viewport && sliceById(viewport.getCurrentImageId());
    if (viewport && slice) cover(viewport, slice);
    drawn(pane);
  });
  // A click is held back for a while, for it might become a double one. Who has left the pane means it.
  element.addEventListener('mouseleave', ({ buttons, clientX, clientY }) => {
    if (buttons === 0) element.dispatchEvent(new MouseEvent('mousemove', { clientX, clientY }));
  });
  watchLens(pane, () => chosen() === 'magnify');
  watchProbe(pane, parts.probe);
  element.addEventListener('pointerdown', ({ button }) => (pane.pressed = toolUnder(button, chosen())), true);
  for (const name of ['pointerup', 'pointercancel']) window.addEventListener(name, () => (pane.pressed = undefined), true);
}

export function detach(id: string): void {
  panes.delete(id);
  leaveGroup(id, ENGINE);
  engine.disableElement(id);
}

export function resize(): void {
  engine.resize(true, true);
}

function fail(pane: Pane, error?: Error): void {
  change(pane, { state: 'failed', error: error instanceof TooLarge ? 'large' : (error?.message ?? '') });
}

/** Another series is on its way, or did not come: what is there is no longer looked at. */
export function clear(id: string, state: 'loading' | 'failed', error = ''): void {
  const pane = panes.get(id);
  if (!pane) return;
  pane.series += 1;
  Object.assign(pane, { slices: [], wanted: 0, window: undefined, inverted: false, presentation: undefined });
  change(pane, { ...EMPTY, state, error });
}

/** Puts a stack into a pane. */
export async function show(id: string, slices: Slice[], index: number): Promise<void> {
  const pane = panes.get(id);
  const viewport = viewportOf(id);
  if (!pane || !viewport) return;
  if (slices.length === 0) return clear(id, 'failed', 'none');
  register(slices);
  const at = Math.min(slices.length - 1, Math.max(0, index));
  pane.series += 1;
  const series = pane.series;
  Object.assign(pane, { slices, wanted: at, window: undefined, inverted: false, presentation: undefined });
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

/** An image stands in the pane: it gets the window that the reader chose, that of a presentation state, or its own. */
function arrived(pane: Pane, index: number): void {
  const viewport = viewportOf(pane.id);
  const slice = pane.slices[index];
  if (!viewport || !slice) return;
  const image = cache.getImage(slice.imageId);
  const state = presentationOn(pane, slice);
  const invert = (state?.isInverse ?? slice.values.isInverse) !== pane.inverted;
  if (image && !image.color) {
    const look = (pane.window && windowOf(pane.window, slice)) ?? lookOfState(state, slice) ?? ownLook(slice.imageId);
    if (look) viewport.setProperties({ voiRange: utilities.windowLevel.toLowHighRange(look.width, look.center), invert });
    if (look) darken(pane, look.center, look.width, slice);
  } else if (image) {
    viewport.setProperties({ invert: pane.inverted });
  }
  if (state && !pane.isLaidOut) layOut(pane, state, slice);
  viewport.render();
  const how = pane.wanted === index ? 'shown' : 'loading';
  change(pane, { slice, index, isBlank: false, isColor: image?.color ?? false, isInverted: pane.inverted, state: how, error: '', ...liesAs(viewport, slice) });
  if (pane.wanted === index) follow(pane);
  for (const other of panes.values()) if (other !== pane && options.lines) drawn(other);
}

/** The window is set; a graphics processor is told how it is meant. */
function darken(pane: Pane, center: number, width: number, slice = pane.view.slice): void {
  const look = slice && lookFor(slice.imageId, center, width);
  const viewport = viewportOf(pane.id);
  if (look && viewport && renderer === 'gpu') shade(viewport, look, viewport.getProperties().invert ?? false);
  change(pane, { center, width, table: look?.table ? look.name : '' });
}

function drawn(pane: Pane): void {
  const viewport = viewportOf(pane.id);
  const { slice } = pane.view;
  if (!viewport || !slice || pane.view.state === 'empty' || pane.view.state === 'failed') return;
  if (!cache.getImage(slice.imageId) || viewport.getCurrentImageId() !== slice.imageId) return;
  drawMarks(pane.marks, viewport, slice, { overlay: options.overlay, lines: linesOf(pane), presentation: presentationOn(pane, slice) });
  const lies = liesAs(viewport, slice);
  if (lies && (Math.abs(lies.zoom - pane.view.zoom) > 0.0005 || lies.sides !== pane.view.sides)) change(pane, lies);
}

/** How large an image stands in its pane, and which of its sides are where. */
function liesAs(viewport: NonNullable<ReturnType<typeof viewportOf>>, slice: Slice): { zoom: number; sides: string } | undefined {
  const placement = placementOf(viewport, slice);
  return placement && { zoom: magnification(placement), sides: sidesOf(slice, placement).join(' ').trim() };
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
export function setWindow(id: string, window: Chosen | undefined): void {
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
  const placement = pane.view.slice && placementOf(viewport, pane.view.slice);
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
      if (placement) viewport.setZoom(viewport.getZoom() / magnification(placement));
      break;
    case 'in':
    case 'out':
      viewport.setZoom(viewport.getZoom() * (how === 'in' ? 1.25 : 0.8));
      break;
    case 'reset':
      pane.window = undefined;
      pane.inverted = false;
      pane.presentation = undefined;
      change(pane, { presentation: '' });
      viewport.setCamera({ flipHorizontal: false, flipVertical: false });
      viewport.setViewPresentation({ ...now, rotation: 0, flipHorizontal: false, flipVertical: false });
      viewport.resetCamera();
      arrived(pane, pane.view.index);
      return;
  }
  viewport.render();
}

/** Shows an image as somebody has left it; `undefined` goes back to what the image itself says. */
export function present(id: string, presentation: Presentation | undefined): void {
  const pane = panes.get(id);
  const viewport = viewportOf(id);
  if (!pane || !viewport || pane.view.state === 'empty') return;
  turn(id, 'reset');
  if (!presentation) return;
  pane.presentation = presentation;
  change(pane, { presentation: presentation.uid });
  const shown = pane.view.slice;
  const isHere = (slice: Slice | undefined) => slice !== undefined && covers(presentation.images, slice.instanceUid, slice.frame);
  const at = isHere(shown) ? pane.view.index : pane.slices.findIndex(isHere);
  pane.isLaidOut = false;
  if (at === pane.view.index) arrived(pane, at);
  else if (at >= 0) go(id, at);
}

/** Does with keys what dragging does with the chosen tool. */
export function nudge(id: string, right: number, down: number): void {
  const pane = panes.get(id);
  const viewport = viewportOf(id);
  if (!pane || !viewport || pane.view.state === 'empty') return;
  const tool = chosen();
  if (tool === 'window') {
    const { center, width } = pane.view;
    const step = Math.max(1, Math.round(width / 20));
    return setWindow(id, { center: center + down * step, width: Math.max(1, width + right * step) });
  }
  if (tool === 'scroll') return step(id, right + down);
  if (tool === 'zoom') viewport.setZoom(viewport.getZoom() * (right - down > 0 ? 1.1 : 1 / 1.1));
  else move(pane, right * 20, down * 20);
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

export const sliceIn = (id: string, index: number): Slice | undefined => panes.get(id)?.slices[index];

export const rendererInUse = (): Renderer => renderer;
