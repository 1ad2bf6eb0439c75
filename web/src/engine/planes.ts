// Overlay planes (groups 6000 to 601E, PS3.3 section C.9.2) over the image that they belong to, whether they lie beside its
// pixels or in bits of them.

import { cache } from '@cornerstonejs/core';
import { decodeBase64, number, numbers, text } from '../dicom/json.ts';
import { ownPlanes, planesInPixels } from '../dicom/overlay.ts';
import type { Slice } from '../dicom/slice.ts';
import { getBytes } from '../net.ts';
import type { Placement } from './marks.ts';

/** Images whose planes are kept as they are drawn. */
const MOST_IMAGES = 48;

interface OverlayPlane {
  picture: HTMLCanvasElement;
  column: number;
  row: number;
}

const planes = new Map<string, OverlayPlane[] | 'loading'>();

export function drawPlanes(context: CanvasRenderingContext2D, slice: Slice, placement: Placement, ratio: number, again: () => void): void {
  const key = slice.imageId;
  const found = planes.get(key);
  if (found === undefined) {
    const present = [...ownPlanes(slice.data), ...planesInPixels(slice.data).map(({ group }) => group)];
    if (present.length === 0) return;
    const oldest = planes.keys().next().value;
    if (oldest !== undefined && planes.size >= MOST_IMAGES) planes.delete(oldest);
    planes.set(key, 'loading');
    Promise.all(present.map((group) => planeOf(slice, group)))
      .then((read) => {
        planes.set(key, read.filter((plane): plane is OverlayPlane => plane !== undefined));
        again();
      })
      .catch(() => planes.delete(key));
    return;
  }
  if (found === 'loading') return;
  for (const plane of found) {
    context.save();
    context.imageSmoothingEnabled = false;
    intoImage(context, placement, ratio);
    context.drawImage(plane.picture, plane.column - 1, plane.row - 1);
    context.restore();
  }
}

/** From here on one unit is one pixel of the image, counted from the outer corner of the first one. */
export function intoImage(context: CanvasRenderingContext2D, { origin, column, row }: Placement, ratio: number): void {
  context.setTransform(
    column[0] * ratio,
    column[1] * ratio,
    row[0] * ratio,
    row[1] * ratio,
    // The origin is the middle of the first pixel.
    (origin[0] - (column[0] + row[0]) / 2) * ratio,
    (origin[1] - (column[1] + row[1]) / 2) * ratio,
  );
}

async function planeOf(slice: Slice, group: string): Promise<OverlayPlane | undefined> {
  const rows = number(slice.data, `${group}0010`) ?? 0;
  const columns = number(slice.data, `${group}0011`) ?? 0;
  const data = slice.data[`${group}3000`];
  const frames = number(slice.data, `${group}0015`) ?? 1;
  const firstFrame = number(slice.data, `${group}0051`) ?? 1;
  const [row = 1, column = 1] = numbers(slice.data, `${group}0050`, 2) ?? [];
  const frame = slice.frame - firstFrame;
  if (rows * columns === 0 || rows * columns > 1 << 26 || (frames > 1 && (frame < 0 || frame >= frames))) return undefined;
  let bytes = data ? undefined : inPixels(slice, group);
  if (data?.InlineBinary) bytes = decodeBase64(data.InlineBinary);
  else if (data?.BulkDataURI) {
    const address = new URL(data.BulkDataURI, window.location.href).pathname;
    bytes = (await getBytes(address, 'application/octet-stream')).bytes;
  }
  if (!bytes) return undefined;
  const offset = frames > 1 ? frame * rows * columns : 0;
  const picture = document.createElement('canvas');
  picture.width = columns;
  picture.height = rows;
  const context = picture.getContext('2d');
  if (!context) return undefined;
  const pixels = context.createImageData(columns, rows);
  const isRegion = text(slice.data, `${group}0040`).trim() === 'R';
  for (let at = 0; at < rows * columns; at += 1) {
    const bit = offset + at;
    if (((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1) pixels.data.set([255, 255, 255, isRegion ? 110 : 255], at * 4);
  }
  context.putImageData(pixels, 0, 0);
  return { picture, row, column };
}

function inPixels(slice: Slice, group: string): Uint8Array | undefined {
  const image = cache.getImage(slice.imageId) as { overlays?: Uint8Array[] } | undefined;
  return image?.overlays?.[planesInPixels(slice.data).findIndex((plane) => plane.group === group)];
}
