// Tools: one group for all panes. The main button and one finger have the chosen tool, the other buttons and the wheel what
// mouse.ts says, two fingers zoom and move.

import {
  AngleTool,
  addTool,
  annotation,
  EllipticalROITool,
  init,
  LengthTool,
  PanTool,
  RectangleROITool,
  StackScrollTool,
  ToolGroupManager,
  utilities,
  WindowLevelTool,
  ZoomTool,
} from '@cornerstonejs/tools';
import { angleLines, areaLines, lengthLines } from './measure.ts';
import { bindingsOf, type DraggedName, type ToolName } from './mouse.ts';

const GROUP = 'panes';

const NAMES: Record<DraggedName, string> = {
  window: WindowLevelTool.toolName,
  scroll: StackScrollTool.toolName,
  pan: PanTool.toolName,
  zoom: ZoomTool.toolName,
  length: LengthTool.toolName,
  angle: AngleTool.toolName,
  ellipse: EllipticalROITool.toolName,
  rectangle: RectangleROITool.toolName,
};

/** What is drawn stays there and can be moved, whatever tool is chosen. */
const MEASURES: DraggedName[] = ['length', 'angle', 'ellipse', 'rectangle'];

let current: ToolName = 'window';

export function installTools(): void {
  init();
  [WindowLevelTool, StackScrollTool, PanTool, ZoomTool, LengthTool, AngleTool, EllipticalROITool, RectangleROITool].forEach(addTool);
  const group = ToolGroupManager.createToolGroup(GROUP)!;
  group.addTool(NAMES.window);
  group.addTool(NAMES.scroll);
  group.addTool(NAMES.pan);
  group.addTool(NAMES.zoom, { zoomToCenter: false, pan: true });
  group.addTool(NAMES.length, { getTextLines: lengthLines });
  group.addTool(NAMES.angle, { getTextLines: angleLines });
  group.addTool(NAMES.ellipse, { getTextLines: areaLines, calculatePointsInsideVolume: false });
  group.addTool(NAMES.rectangle, { getTextLines: areaLines });
  MEASURES.forEach(keepFiguresTrue);
  const styles = annotation.config.style.getDefaultToolStyles();
  annotation.config.style.setDefaultToolStyles({
    ...styles,
    global: {
      ...styles.global,
      color: '#ffd94a',
      colorHighlighted: '#7ee081',
      colorSelected: '#7ee081',
      textBoxColor: '#ffe58a',
      textBoxColorHighlighted: '#a6f0a8',
      textBoxColorSelected: '#a6f0a8',
      textBoxFontFamily: 'system-ui, "Noto Sans SC", "Microsoft YaHei", sans-serif',
      textBoxFontSize: '13px',
      lineWidth: '1.5',
      lineDash: '',
      shadow: true,
      textBoxBackground: 'rgba(8, 12, 16, 0.6)',
    },
  });
  choose(current);
}

interface Figures {
  _isInsideVolume?: () => boolean;
  _calculateCachedStats: (...of: unknown[]) => unknown;
  _throttledCalculateCachedStats: (...of: unknown[]) => unknown;
}

/** Longest time in milliseconds that a figure may take while something is dragged. */
const MOST_MS = 40;

/**
 * Cornerstone computes figures ten times a second, so that those which are shown may belong to a shape that was there
 * before. Here they are computed with each shape that is drawn; where that takes long, there are none until they are right.
 */
function keepFiguresTrue(name: DraggedName): void {
  const tool = ToolGroupManager.getToolGroup(GROUP)!.getToolInstance(NAMES[name]) as unknown as Figures;
  // A shape over the edge has the figures of what lies within the image.
  if (tool._isInsideVolume) tool._isInsideVolume = () => true;
  const slowly = tool._throttledCalculateCachedStats;
  let took = 0;
  tool._throttledCalculateCachedStats = (...of: unknown[]) => {
    if (took > MOST_MS) {
      const { data } = of[0] as { data: { cachedStats: Record<string, { area?: unknown; length?: unknown; angle?: unknown } | undefined> } };
      for (const stats of Object.values(data.cachedStats)) if (stats) stats.area = stats.length = stats.angle = null;
      took *= 0.8;
      return slowly(...of);
    }
    const begun = performance.now();
    const found = tool._calculateCachedStats(...of);
    took = performance.now() - begun;
    return found;
  };
}

export function choose(tool: ToolName): void {
  const group = ToolGroupManager.getToolGroup(GROUP)!;
  current = tool;
  for (const measure of MEASURES) group.setToolPassive(NAMES[measure], { removeAllBindings: true });
  for (const name of [NAMES.window, NAMES.scroll, NAMES.pan, NAMES.zoom]) group.setToolDisabled(name);
  for (const name of Object.keys(NAMES) as DraggedName[]) {
    const own = bindingsOf(name, tool);
    if (own.length > 0) group.setToolActive(NAMES[name], { bindings: own });
  }
}

export const chosen = (): ToolName => current;

export const joinGroup = (viewportId: string, engineId: string): void =>
  ToolGroupManager.getToolGroup(GROUP)!.addViewport(viewportId, engineId);

export const leaveGroup = (viewportId: string, engineId: string): void =>
  ToolGroupManager.getToolGroup(GROUP)?.removeViewports(engineId, viewportId);

/** Takes off the measurements that were drawn on these images. */
export function clearMeasurements(imageIds: Set<string>): void {
  for (const one of annotation.state.getAllAnnotations()) {
    const imageId = one.metadata?.referencedImageId;
    if (one.annotationUID && (!imageId || imageIds.has(imageId))) annotation.state.removeAnnotation(one.annotationUID);
  }
  drawAgain();
}

/** What was taken away stays on the screen otherwise until something else is drawn. */
export function drawAgain(): void {
  utilities.triggerAnnotationRenderForViewportIds(ToolGroupManager.getToolGroup(GROUP)!.getViewportIds());
}

/** Takes off the measurement that is chosen. */
export function clearSelected(): void {
  for (const uid of annotation.selection.getAnnotationsSelected()) annotation.state.removeAnnotation(uid);
  drawAgain();
}
