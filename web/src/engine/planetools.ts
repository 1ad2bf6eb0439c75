// Tools of the planes: the left button and one finger have the chosen one, the rest is as in the panes.

import { type Types, utilities as core } from '@cornerstonejs/core';
import { addTool, annotation, LengthTool, PanTool, StackScrollTool, ToolGroupManager, utilities, WindowLevelTool, ZoomTool } from '@cornerstonejs/tools';
import { words } from '../words.ts';
import { bindingsOf } from './mouse.ts';
import { lengthOf } from './planeview.ts';
import { drawAgain } from './tools.ts';

/** Crosshairs are those of crosshairs.ts. */
export type PlaneTool = 'cross' | 'window' | 'scroll' | 'pan' | 'zoom' | 'length';

const CLASSES = { window: WindowLevelTool, scroll: StackScrollTool, pan: PanTool, zoom: ZoomTool, length: LengthTool };
const NAMES = Object.keys(CLASSES) as (keyof typeof CLASSES)[];

/** What is drawn on planes belongs to them alone: it neither comes from the panes nor stays there. */
export function withOwnMeasurements(): () => void {
  const { state, FrameOfReferenceSpecificAnnotationManager: Manager } = annotation;
  const before = state.getAnnotationManager();
  state.setAnnotationManager(new Manager(core.uuidv4()) as typeof before);
  return () => {
    state.setAnnotationManager(before);
    drawAgain();
  };
}

/** `isThick`: whether the planes show more than a slice, so that the ends of a line need not lie at one depth. */
export function installPlaneTools(name: string, engineId: string, viewportIds: string[], isThick: () => boolean): void {
  const group = ToolGroupManager.createToolGroup(name)!;
  for (const tool of Object.values(CLASSES)) addTool(tool);
  group.addTool(ZoomTool.toolName, { zoomToCenter: false, pan: true });
  // From its ends, in the patient: nothing in between that a shape of before may have left.
  const textOf = ({ handles }: { handles: { points: Types.Point3[] } }) => [`${lengthOf(handles.points).toFixed(1)} mm${isThick() ? ` (${words.projected})` : ''}`];
  group.addTool(LengthTool.toolName, { getTextLines: textOf });
  for (const tool of [WindowLevelTool, StackScrollTool, PanTool]) group.addTool(tool.toolName);
  viewportIds.forEach((id) => group.addViewport(id, engineId));
}

export function choosePlaneTool(group: string, tool: PlaneTool): void {
  const tools = ToolGroupManager.getToolGroup(group);
  if (!tools) return;
  for (const name of NAMES) {
    const { toolName } = CLASSES[name];
    if (name === 'length') tools.setToolPassive(toolName, { removeAllBindings: true });
    else tools.setToolDisabled(toolName);
  }
  for (const name of NAMES) {
    const bindings = bindingsOf<PlaneTool>(name, tool);
    if (bindings.length > 0) tools.setToolActive(CLASSES[name].toolName, { bindings });
  }
}

/** Takes off the measurement that is chosen, or all of them. */
export function takeOff(which: 'chosen' | 'all', viewportIds: string[]): void {
  const chosen = new Set(annotation.selection.getAnnotationsSelected());
  for (const one of annotation.state.getAllAnnotations()) {
    const isMeant = which === 'all' || chosen.has(one.annotationUID!);
    if (isMeant && one.metadata?.toolName === LengthTool.toolName) annotation.state.removeAnnotation(one.annotationUID!);
  }
  utilities.triggerAnnotationRenderForViewportIds(viewportIds);
}
