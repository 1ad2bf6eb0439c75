// A picture of what a pane shows, to keep or to print.

export function savePicture(canvas: HTMLCanvasElement, name: string): void {
  canvas.toBlob(
    (blob) => {
      if (!blob) return;
      const link = document.createElement('a');
      link.href = URL.createObjectURL(blob);
      link.download = `${name}.jpg`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    },
    'image/jpeg',
    0.92,
  );
}

/** Puts the picture over the page for as long as the browser prints. */
export function printPicture(canvas: HTMLCanvasElement): void {
  const sheet = document.createElement('div');
  sheet.className = 'sheet';
  const image = new Image();
  image.src = canvas.toDataURL('image/jpeg', 0.92);
  sheet.append(image);
  document.body.append(sheet);
  const done = () => sheet.remove();
  window.addEventListener('afterprint', done, { once: true });
  void image.decode().then(() => window.print(), done);
}
