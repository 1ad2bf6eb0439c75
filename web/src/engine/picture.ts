// What a pane shows, as one picture to keep or to print: image, marks, measurements, the words of its corners.

import { panes, viewportOf } from './pane.ts';

export async function picture(id: string, lines: string[]): Promise<HTMLCanvasElement | undefined> {
  const pane = panes.get(id);
  const viewport = viewportOf(id);
  if (!pane || !viewport) return undefined;
  const image = viewport.getCanvas();
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = pane.element;
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext('2d');
  if (!context) return undefined;
  context.fillStyle = '#000';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  context.drawImage(pane.marks, 0, 0, canvas.width, canvas.height);
  const drawing = pane.element.querySelector('svg.svg-layer') as SVGSVGElement | null;
  if (drawing) {
    const copy = drawing.cloneNode(true) as SVGSVGElement;
    copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
    copy.setAttribute('width', String(width));
    copy.setAttribute('height', String(height));
    const address = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: 'image/svg+xml' }));
    const layer = new Image();
    layer.src = address;
    await layer.decode().catch(() => undefined);
    if (layer.naturalWidth > 0) context.drawImage(layer, 0, 0, canvas.width, canvas.height);
    URL.revokeObjectURL(address);
  }
  context.scale(ratio, ratio);
  context.font = '13px system-ui, "Noto Sans SC", "Microsoft YaHei", sans-serif';
  context.fillStyle = '#e8eef2';
  context.strokeStyle = '#000';
  context.lineWidth = 3;
  lines.forEach((line, at) => {
    context.strokeText(line, 10, 20 + at * 18);
    context.fillText(line, 10, 20 + at * 18);
  });
  return canvas;
}
