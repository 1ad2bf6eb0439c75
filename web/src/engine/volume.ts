// Orthogonal planes through a volume with crosshairs. Only this module, loaded on demand, names volumes.

import { cache, Enums, imageLoader, RenderingEngine, setVolumesForViewports, type Types, utilities, volumeLoader } from '@cornerstonejs/core';
import { addTool, CrosshairsTool, Enums as ToolEnums, PanTool, StackScrollTool, ToolGroupManager, ZoomTool } from '@cornerstonejs/tools';
import type { Slice } from '../dicom/slice.ts';

const ENGINE = 'planes';
const IDS = ['axial', 'sagittal', 'coronal'];
const COLORS: Record<string, string> = { axial: 'rgb(240, 90, 90)', sagittal: 'rgb(240, 210, 90)', coronal: 'rgb(110, 220, 110)' };
/** Frames that are fetched at the same time. */
const AT_ONCE = 6;

export interface Planes {
  /** Whether they came to be seen; whoever waits is told why not. */
  ready: Promise<void>;
  window(center: number, width: number): void;
  /** A maximum intensity projection over so many millimetres; 0 is none. */
  slab(millimetres: number): void;
  close(): void;
}

let opened = 0;
/** Kept for the next time: a page has few contexts of WebGL, and those of an engine that was destroyed are given back late. */
let engine: RenderingEngine | undefined;
/** Whose planes are on the engine. */
let owner = 0;

/** Begins with the planes; `onProgress` hears how many frames are there. */
export function open(slices: Slice[], elements: HTMLDivElement[], onProgress: (loaded: number) => void): Planes {
  // Of its own for each time: what was closed while it came may still be on its way.
  opened += 1;
  const mine = opened;
  const name = `planes-${mine}`;
  const volumeId = `cornerstoneStreamingImageVolume:${name}`;
  let isClosed = false;
  const isOn = () => !isClosed && owner === mine;
  const close = () => {
    if (ToolGroupManager.getToolGroup(name)) ToolGroupManager.destroyToolGroup(name);
    if (isOn()) IDS.forEach((id) => engine?.disableElement(id));
    isClosed = true;
    if (cache.getVolumeLoadObject(volumeId)) cache.removeVolumeLoadObject(volumeId);
  };
  const unlessClosed = () => {
    if (isClosed) throw new Error('closed');
  };
  const viewports = () => (isOn() ? IDS.map((id) => engine!.getViewport(id) as Types.IVolumeViewport) : []);
  const set = (center: number, width: number) => {
    const voiRange = utilities.windowLevel.toLowHighRange(width, center);
    viewports().forEach((viewport) => viewport.setProperties({ voiRange }, volumeId));
    if (isOn()) engine?.render();
  };
  const build = async () => {
    await fetchAll(slices, onProgress, () => isClosed);
    unlessClosed();
    const volume = await volumeLoader.createAndCacheVolume(volumeId, { imageIds: slices.map((slice) => slice.imageId) });
    unlessClosed();
    engine ??= new RenderingEngine(ENGINE);
    arrange(engine, elements);
    owner = mine;
    const group = groupOf(name);
    (volume as unknown as { load: () => void }).load();
    await setVolumesForViewports(engine, [{ volumeId }], IDS);
    unlessClosed();
    group.setToolActive(CrosshairsTool.toolName, { bindings: [{ mouseButton: ToolEnums.MouseBindings.Primary }, { numTouchPoints: 1 }] });
    const own = slices[slices.length >> 1]!.values.window;
    if (own) set(own.center, own.width);
    engine.render();
  };
  const ready = build().catch((error: unknown) => {
    close();
    throw error;
  });
  return {
    ready,
    window: set,
    slab(millimetres: number) {
      for (const viewport of viewports()) {
        viewport.setBlendMode(millimetres > 0 ? Enums.BlendModes.MAXIMUM_INTENSITY_BLEND : Enums.BlendModes.COMPOSITE);
        viewport.setSlabThickness(millimetres > 0 ? millimetres : 0.1);
      }
      if (isOn()) engine?.render();
    },
    close,
  };
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

function groupOf(name: string) {
  const { MouseBindings } = ToolEnums;
  for (const tool of [CrosshairsTool, PanTool, ZoomTool, StackScrollTool]) addTool(tool);
  const group = ToolGroupManager.createToolGroup(name)!;
  group.addTool(CrosshairsTool.toolName, {
    getReferenceLineColor: (id: string) => COLORS[id],
    getReferenceLineControllable: () => true,
    getReferenceLineDraggableRotatable: () => false,
    getReferenceLineSlabThicknessControlsOn: () => false,
  });
  for (const tool of [PanTool.toolName, ZoomTool.toolName, StackScrollTool.toolName]) group.addTool(tool);
  IDS.forEach((id) => group.addViewport(id, ENGINE));
  group.setToolActive(StackScrollTool.toolName, { bindings: [{ mouseButton: MouseBindings.Wheel }] });
  group.setToolActive(PanTool.toolName, { bindings: [{ mouseButton: MouseBindings.Auxiliary }] });
  group.setToolActive(ZoomTool.toolName, { bindings: [{ mouseButton: MouseBindings.Secondary }, { numTouchPoints: 2 }] });
  return group;
}
