// Pictures that browsers decode themselves, as pixels.

import { type FrameHeader, type Pixels, Unreadable } from './pixels.ts';

/** In a worker, or in the page of a browser whose workers have no canvas. */
export async function picture(bytes: ArrayBuffer, type: string, header: FrameHeader): Promise<Pixels> {
  const bitmap = await createImageBitmap(new Blob([bytes], { type }), { colorSpaceConversion: 'none' });
  const { width, height } = bitmap;
  if (width !== header.columns || height !== header.rows) throw new Unreadable('the picture has another size');
  const canvas = typeof OffscreenCanvas === 'function' ? new OffscreenCanvas(width, height) : Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d') as OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D | null;
  if (!context) throw new Unreadable('no canvas');
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { kind: 'color', rgba: context.getImageData(0, 0, width, height).data };
}
