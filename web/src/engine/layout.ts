// A presentation state on a pane: which window it gives an image, and how it lays the image out (PS3.3 sections C.10 and C.11).

import type { Look } from '../dicom/lookup.ts';
import { covers, type Presentation } from '../dicom/presentation.ts';
import type { Slice } from '../dicom/slice.ts';
import { areaFor } from './annotations.ts';
import { magnification, placementOf } from './marks.ts';
import { type Pane, viewportOf } from './pane.ts';
import { addLook } from './shade.ts';

/** The state that is applied, on the images that it is about. */
export const presentationOn = ({ presentation }: Pane, slice: Slice): Presentation | undefined =>
  presentation && covers(presentation.images, slice.instanceUid, slice.frame) ? presentation : undefined;

export function lookOfState(state: Presentation | undefined, slice: Slice): Look | undefined {
  const found = state?.looks.find(({ scope }) => covers(scope, slice.instanceUid, slice.frame));
  return found && addLook(slice.imageId, found.look);
}


/** Turn, mirror and displayed area of a presentation state (PS3.3 sections C.10.4 and C.10.6). */
export function layOut(pane: Pane, presentation: Presentation, slice: Slice): void {
  const viewport = viewportOf(pane.id);
  if (!viewport) return;
  pane.isLaidOut = true;
  // The turn comes before the mirror: seen from behind, it goes the other way.
  const rotation = presentation.isFlipped ? (360 - presentation.rotation) % 360 : presentation.rotation;
  if (presentation.isFlipped) viewport.setCamera({ flipHorizontal: true });
  viewport.setViewPresentation({ ...viewport.getViewPresentation(), rotation });
  const area = areaFor(presentation, slice);
  const placement = placementOf(viewport, slice);
  if (area && placement) {
    const { clientWidth: width, clientHeight: height } = pane.element;
    const [columns, rows] = [Math.abs(area.to[0] - area.from[0]) + 1, Math.abs(area.to[1] - area.from[1]) + 1];
    const across = Math.abs(placement.column[0]) * columns + Math.abs(placement.row[0]) * rows;
    const down = Math.abs(placement.column[1]) * columns + Math.abs(placement.row[1]) * rows;
    const fit = Math.min(width / across, height / down);
    // True size needs the size of the screen's pixels, which a browser does not know: shown fitting.
    const times = area.mode === 'MAGNIFY' ? area.magnification / magnification(placement) : fit;
    viewport.setZoom(viewport.getZoom() * times);
    const after = placementOf(viewport, slice)!;
    const [column, row] = [(area.from[0] + area.to[0]) / 2 - 1, (area.from[1] + area.to[1]) / 2 - 1];
    const x = after.origin[0] + after.column[0] * column + after.row[0] * row;
    const y = after.origin[1] + after.column[1] * column + after.row[1] * row;
    move(pane, width / 2 - x, height / 2 - y);
  }
}

/** Moves the image by CSS pixels. */
export function move(pane: Pane, right: number, down: number): void {
  const viewport = viewportOf(pane.id)!;
  const { clientWidth: width, clientHeight: height } = pane.element;
  const from = viewport.canvasToWorld([width / 2, height / 2]);
  const to = viewport.canvasToWorld([width / 2 - right, height / 2 - down]);
  const { focalPoint, position } = viewport.getCamera();
  const shifted = (point: number[] | undefined) => point?.map((at, axis) => at + to[axis]! - from[axis]!) as [number, number, number];
  viewport.setCamera({ focalPoint: shifted(focalPoint), position: shifted(position) });
}
