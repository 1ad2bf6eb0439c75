// Tools: one group for all panes. The main button has the chosen tool, the middle one moves, the right one zooms, the wheel
// and one finger leaf through, two fingers zoom and move.

import {
  AngleTool,
  addTool,
  annotation,
  EllipticalROITool,
  Enums,
  init,
  LengthTool,
  PanTool,
  RectangleROITool,
  StackScrollTool,
  ToolGroupManager,
  WindowLevelTool,
  ZoomTool,
} from '@cornerstonejs/tools';
import { angleLines, areaLines, lengthLines } from './measure.ts';

export type ToolName = 'window' | 'scroll' | 'pan' | 'zoom' | 'length' | 'angle' | 'ellipse' | 'rectangle';

const GROUP = 'panes';
const { MouseBindings } = Enums;

const NAMES: Record<ToolName, string> = {
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
const MEASURES: ToolName[] = ['length', 'angle', 'ellipse', 'rectangle'];

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

export function choose(tool: ToolName): void {
  const group = ToolGroupManager.getToolGroup(GROUP)!;
  current = tool;
  for (const measure of MEASURES) group.setToolPassive(NAMES[measure], { removeAllBindings: true });
  for (const name of [NAMES.window, NAMES.scroll, NAMES.pan, NAMES.zoom]) group.setToolDisabled(name);
  const bindings = (name: ToolName) => {
    const own = [];
    if (tool === name) own.push({ mouseButton: MouseBindings.Primary }, { numTouchPoints: 1 });
    if (name === 'pan') own.push({ mouseButton: MouseBindings.Auxiliary });
    if (name === 'zoom') own.push({ mouseButton: MouseBindings.Secondary }, { numTouchPoints: 2 });
    if (name === 'scroll') own.push({ mouseButton: MouseBindings.Wheel });
    return own;
  };
  const names: ToolName[] = ['window', 'scroll', 'pan', 'zoom', 'length', 'angle', 'ellipse', 'rectangle'];
  for (const name of names) {
    const own = bindings(name);
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
}

/** Takes off the measurement that is chosen. */
export function clearSelected(): void {
  for (const uid of annotation.selection.getAnnotationsSelected()) annotation.state.removeAnnotation(uid);
}
