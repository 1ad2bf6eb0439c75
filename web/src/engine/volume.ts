// Orthogonal planes through a volume with crosshairs. Only this module, loaded on demand, names volumes.

import { cache, Enums, RenderingEngine, setVolumesForViewports, type Types, utilities, volumeLoader } from '@cornerstonejs/core';
import { addTool, CrosshairsTool, Enums as ToolEnums, PanTool, StackScrollTool, ToolGroupManager, ZoomTool } from '@cornerstonejs/tools';
import type { Slice } from '../dicom/slice.ts';

const ENGINE = 'planes';
const GROUP = 'planes';
const IDS = ['axial', 'sagittal', 'coronal'];
const COLORS: Record<string, string> = { axial: 'rgb(240, 90, 90)', sagittal: 'rgb(240, 210, 90)', coronal: 'rgb(110, 220, 110)' };

export async function open(slices: Slice[], elements: HTMLDivElement[]) {
  const { MouseBindings } = ToolEnums;
  const volumeId = `cornerstoneStreamingImageVolume:${slices[0]!.imageId}`;
  const volume = await volumeLoader.createAndCacheVolume(volumeId, { imageIds: slices.map((slice) => slice.imageId) });
  const engine = new RenderingEngine(ENGINE);
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
  for (const tool of [CrosshairsTool, PanTool, ZoomTool, StackScrollTool]) addTool(tool);
  const group = ToolGroupManager.createToolGroup(GROUP)!;
  group.addTool(CrosshairsTool.toolName, {
    getReferenceLineColor: (id: string) => COLORS[id],
    getReferenceLineControllable: () => true,
    getReferenceLineDraggableRotatable: () => false,
    getReferenceLineSlabThicknessControlsOn: () => false,
  });
  for (const name of [PanTool.toolName, ZoomTool.toolName, StackScrollTool.toolName]) group.addTool(name);
  IDS.forEach((id) => group.addViewport(id, ENGINE));
  group.setToolActive(StackScrollTool.toolName, { bindings: [{ mouseButton: MouseBindings.Wheel }] });
  group.setToolActive(PanTool.toolName, { bindings: [{ mouseButton: MouseBindings.Auxiliary }] });
  group.setToolActive(ZoomTool.toolName, { bindings: [{ mouseButton: MouseBindings.Secondary }, { numTouchPoints: 2 }] });
  await new Promise<void>((resolve) => {
    const streamed = volume as unknown as { load: (done: () => void) => void };
    let left = slices.length;
    streamed.load(() => {
      left -= 1;
      if (left <= 0) resolve();
    });
    // Frames that are in the cache already are not announced.
    if (slices.every((slice) => cache.getImage(slice.imageId))) resolve();
  });
  await setVolumesForViewports(engine, [{ volumeId }], IDS);
  group.setToolActive(CrosshairsTool.toolName, { bindings: [{ mouseButton: MouseBindings.Primary }, { numTouchPoints: 1 }] });
  const viewports = () => IDS.map((id) => engine.getViewport(id) as Types.IVolumeViewport);
  const set = (center: number, width: number) => {
    const voiRange = utilities.windowLevel.toLowHighRange(width, center);
    viewports().forEach((viewport) => viewport.setProperties({ voiRange }, volumeId));
    engine.render();
  };
  const own = slices[slices.length >> 1]!.values.window;
  if (own) set(own.center, own.width);
  engine.render();
  return {
    window: set,
    /** A maximum intensity projection over so many millimetres; 0 is none. */
    slab(millimetres: number) {
      for (const viewport of viewports()) {
        viewport.setBlendMode(millimetres > 0 ? Enums.BlendModes.MAXIMUM_INTENSITY_BLEND : Enums.BlendModes.COMPOSITE);
        viewport.setSlabThickness(millimetres > 0 ? millimetres : 0.1);
      }
      engine.render();
    },
    close() {
      ToolGroupManager.destroyToolGroup(GROUP);
      engine.destroy();
      cache.removeVolumeLoadObject(volumeId);
    },
  };
}
