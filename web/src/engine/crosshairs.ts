// Where the planes cross, and how the reader moves it: pressing or dragging in one plane brings the others to that point.
//
// Not Cornerstone's tool of that name: it moves planes only where it may turn them too, and a plane turned by a slip of the
// hand is one whose letters and places nobody expects.

import type { Types } from '@cornerstonejs/core';
import { leafThrough } from './planeview.ts';

/** The point that all three planes go through. */
export function crossingOf(viewports: Types.IVolumeViewport[]): Types.Point3 {
  const point: Types.Point3 = [0, 0, 0];
  for (const viewport of viewports) {
    const { focalPoint, viewPlaneNormal } = viewport.getCamera();
    const height = focalPoint!.reduce((sum, at, axis) => sum + at * viewPlaneNormal![axis]!, 0);
    viewPlaneNormal!.forEach((part, axis) => (point[axis]! += part * height));
  }
  return point;
}

/** Follows the pointer in a plane for as long as `isChosen` holds; the answer ends that. */
export function watchCrosshairs(element: HTMLDivElement, viewports: () => Types.IVolumeViewport[], isChosen: () => boolean): () => void {
  let pointer: number | undefined;
  const jump = (event: PointerEvent) => {
    const all = viewports();
    const here = all.find((viewport) => viewport.element === element);
    if (!here) return;
    const box = element.getBoundingClientRect();
    const point = here.canvasToWorld([event.clientX - box.left, event.clientY - box.top]);
    all.forEach((viewport) => viewport !== here && leafThrough(viewport, point));
  };
  const down = (event: PointerEvent) => {
    // A second finger means something else, so that the first one moves nothing until it is clear that it is alone.
    pointer = event.isPrimary && event.button === 0 && isChosen() ? event.pointerId : undefined;
    if (pointer === undefined) return;
    element.setPointerCapture(event.pointerId);
    if (event.pointerType !== 'touch') jump(event);
  };
  const move = (event: PointerEvent) => event.pointerId === pointer && jump(event);
  const up = (event: PointerEvent) => {
    if (event.pointerId === pointer) jump(event);
    pointer = undefined;
  };
  const cancel = () => (pointer = undefined);
  const heard: [string, (event: PointerEvent) => void][] = [['pointerdown', down], ['pointermove', move], ['pointerup', up], ['pointercancel', cancel]];
  heard.forEach(([name, act]) => element.addEventListener(name, act as EventListener));
  return () => heard.forEach(([name, act]) => element.removeEventListener(name, act as EventListener));
}
