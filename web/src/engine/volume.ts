// Orthogonal planes through a volume with crosshairs. Only this module and what it alone uses, loaded on demand, name volumes.

import { cache, Enums, imageLoader, RenderingEngine, setVolumesForViewports, type Types, utilities, volumeLoader } from '@cornerstonejs/core';
import { ToolGroupManager } from '@cornerstonejs/tools';
import type { Slice } from '../dicom/slice.ts';
import { crossingOf, watchCrosshairs } from './crosshairs.ts';
import { choosePlaneTool, installPlaneTools, type PlaneTool, takeOff, withOwnMeasurements } from './planetools.ts';
import { leafTo, type PlaneView, viewOf } from './planeview.ts';
import { ownLook } from './shade.ts';
import { type Chosen, windowOf } from './window.ts';

export type { PlaneTool } from './planetools.ts';
export type { PlaneView } from './planeview.ts';

const ENGINE = 'planes';
const IDS = ['axial', 'sagittal', 'coronal'];
/** Frames that are fetched at the same time. */
const AT_ONCE = 6;

export interface Watch {
  /** How many frames are there. */
  onProgress: (loaded: number) => void;
  /** How a plane lies, each time that it is drawn otherwise. */
  onView: (plane: number, view: PlaneView) => void;
}

export interface Planes {
  /** Whether they came to be seen; whoever waits is told why not. */
  ready: Promise<void>;
  /** The window of all planes; nothing is that of the slice in the middle. */
  window(window: Chosen | undefined): void;
  /** A maximum intensity projection over so many millimetres; 0 is none. */
  slab(millimetres: number): void;
  choose(tool: PlaneTool): void;
  /** Leafs in a plane; `to` makes the wanted slice of the present one. */
  leaf(plane: number, to: (index: number) => number): void;
  zoom(plane: number, times: number): void;
  /** All planes as large as they were, and in the middle. */
  fit(): void;
  erase(which: 'chosen' | 'all'): void;
  close(): void;
}

let opened = 0;
/** Kept for the next time: a page has few contexts of WebGL, and those of an engine that was destroyed are given back late. */
let engine: RenderingEngine | undefined;
/** Whose planes are on the engine. */
let owner = 0;

export function open(slices: Slice[], elements: HTMLDivElement[], watch: Watch): Planes {
  // Of its own for each time: what was closed while it came may still be on its way.
  opened += 1;
  const mine = opened;
  const name = `planes-${mine}`;
  const volumeId = `cornerstoneStreamingImageVolume:${name}`;
  let isClosed = false;
  let thickness = 0;
  let tool: PlaneTool = 'cross';
  /** What is undone when they are closed. */
  const undo: (() => void)[] = [];
  const isOn = () => !isClosed && owner === mine;
  const close = () => {
    if (ToolGroupManager.getToolGroup(name)) ToolGroupManager.destroyToolGroup(name);
    if (isOn()) IDS.forEach((id) => engine?.disableElement(id));
    isClosed = true;
    undo.splice(0).reverse().forEach((one) => one());
    if (cache.getVolumeLoadObject(volumeId)) cache.removeVolumeLoadObject(volumeId);
  };
  const unlessClosed = () => {
    if (isClosed) throw new Error('closed');
  };
  const viewports = () => (isOn() ? IDS.map((id) => engine!.getViewport(id) as Types.IVolumeViewport) : []);
  const setRange = (voiRange: Types.VOIRange) => {
    for (const viewport of viewports()) {
      const now = viewport.getProperties(volumeId)?.voiRange;
      if (now?.lower === voiRange.lower && now.upper === voiRange.upper) continue;
      viewport.setProperties({ voiRange }, volumeId);
      viewport.render();
    }
  };
  const setWindow = (chosen?: Chosen) => {
    const middle = slices[slices.length >> 1]!;
    const window = (chosen && windowOf(chosen, middle)) ?? ownLook(middle.imageId);
    if (window) setRange(utilities.windowLevel.toLowHighRange(window.width, window.center));
  };
  const build = async () => {
    await fetchAll(slices, watch.onProgress, () => isClosed);
    unlessClosed();
    const volume = await volumeLoader.createAndCacheVolume(volumeId, { imageIds: slices.map((slice) => slice.imageId) });
    unlessClosed();
    engine ??= new RenderingEngine(ENGINE);
    arrange(engine, elements);
    owner = mine;
    undo.push(withOwnMeasurements());
    installPlaneTools(name, ENGINE, IDS, () => thickness > 0);
    (volume as unknown as { load: () => void }).load();
    await setVolumesForViewports(engine, [{ volumeId }], IDS);
    unlessClosed();
    // Where there is an even number of slices, the middle lies between two.
    viewports().forEach((viewport) => leafTo(viewport, (index) => index));
    choosePlaneTool(name, tool);
    setWindow();
    const say = sayer(viewports, watch.onView);
    for (const element of elements) undo.push(follow(element, say, setRange), watchCrosshairs(element, viewports, () => tool === 'cross'));
    undo.push(keepSize(elements, () => isOn() && resize(engine!, viewports())));
    engine.render();
  };
  const ready = build().catch((error: unknown) => {
    close();
    throw error;
  });
  return {
    ready,
    window: setWindow,
    slab(millimetres: number) {
      thickness = millimetres;
      for (const viewport of viewports()) {
        viewport.setBlendMode(millimetres > 0 ? Enums.BlendModes.MAXIMUM_INTENSITY_BLEND : Enums.BlendModes.COMPOSITE);
        // Cornerstone goes as far as this to either side.
        viewport.setSlabThickness(millimetres > 0 ? millimetres / 2 : 0.1);
      }
      if (isOn()) engine?.render();
    },
    choose(next) {
      tool = next;
      if (isOn()) choosePlaneTool(name, tool);
    },
    leaf(plane, to) {
      const viewport = viewports()[plane];
      if (viewport) leafTo(viewport, to);
    },
    zoom(plane, times) {
      const viewport = viewports()[plane];
      viewport?.setZoom(viewport.getZoom() * times);
      viewport?.render();
    },
    fit() {
      viewports().forEach(fitIn);
      if (isOn()) engine?.render();
    },
    erase: (which) => isOn() && takeOff(which, IDS),
    close,
  };
}

/** Says how the planes lie, as far as it is not what was said last. */
function sayer(viewports: () => Types.IVolumeViewport[], onView: Watch['onView']): () => void {
  const said: string[] = [];
  return () => {
    const all = viewports();
    const crossing = crossingOf(all);
    all.forEach((viewport, plane) => {
      const view = viewOf(viewport, crossing);
      if (!view || JSON.stringify(view) === said[plane]) return;
      said[plane] = JSON.stringify(view);
      onView(plane, view);
    });
  };
}

/** Where one plane is drawn otherwise, lines of the others move too; a window that was dragged in it becomes that of all. */
function follow(element: HTMLDivElement, drawn: () => void, setRange: (range: Types.VOIRange) => void): () => void {
  const { Events } = Enums;
  const windowed = ((event: CustomEvent<{ range: Types.VOIRange }>) => setRange(event.detail.range)) as EventListener;
  const noMenu = (event: Event) => event.preventDefault();
  const heard: [string, EventListener][] = [[Events.IMAGE_RENDERED, drawn], [Events.CAMERA_MODIFIED, drawn], [Events.VOI_MODIFIED, windowed], ['contextmenu', noMenu]];
  heard.forEach(([event, act]) => element.addEventListener(event, act));
  return () => heard.forEach(([event, act]) => element.removeEventListener(event, act));
}

/** As large as it fits in, in the middle, on the slice where it is. */
const fitIn = (viewport: Types.IVolumeViewport): unknown => viewport.resetCamera({ resetToCenter: false });

/** What fitted in fits in again; what the reader had made larger stays as it is. */
function resize(engine: RenderingEngine, viewports: Types.IVolumeViewport[]): void {
  const fitted = viewports.filter((viewport) => Math.abs(viewport.getZoom() - 1) < 0.01 && Math.hypot(...viewport.getPan()) < 1);
  engine.resize(false, true);
  fitted.forEach(fitIn);
  engine.render();
}

function keepSize(elements: HTMLDivElement[], resize: () => void): () => void {
  // While the browser prints they have none.
  const observer = new ResizeObserver(() => elements.every((element) => element.clientWidth > 0) && resize());
  elements.forEach((element) => observer.observe(element));
  return () => observer.disconnect();
}

/** Brings all frames into the cache; the first that does not come ends it. */
async function fetchAll(slices: Slice[], onProgress: (loaded: number) => void, isOver: () => boolean): Promise<void> {
  const left = [...slices];
  let loaded = 0;
  const worker = async () => {
    for (let slice = left.shift(); slice && !isOver(); slice = left.shift()) {
      try {
        await imageLoader.loadAndCacheImage(slice.imageId);
      } catch (error) {
        left.length = 0;
        throw error;
      }
      loaded += 1;
      onProgress(loaded);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

function arrange(engine: RenderingEngine, elements: HTMLDivElement[]): void {
  const { AXIAL, SAGITTAL, CORONAL } = Enums.OrientationAxis;
  const orientations = [AXIAL, SAGITTAL, CORONAL];
  engine.setViewports(
    elements.map((element, at) => ({
      viewportId: IDS[at]!,
      element,
      type: Enums.ViewportType.ORTHOGRAPHIC,
      defaultOptions: { orientation: orientations[at]!, background: [0, 0, 0] as Types.Point3 },
    })),
  );
}
