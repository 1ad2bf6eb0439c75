// Whether pictures are drawn by the graphics processor: only where the address asks for it (`render=gpu`). Drawing without
// it is what the specs have driven through, and is the faster one where the processor is software.

export type Renderer = 'gpu' | 'cpu';

const LOST = 'yingku.gpu-lost';

export function chooseRenderer(): Renderer {
  const asked = new URLSearchParams(window.location.search).get('render');
  if (asked !== 'gpu' || wasLost()) return 'cpu';
  return document.createElement('canvas').getContext('webgl2') ? 'gpu' : 'cpu';
}

function wasLost(): boolean {
  try {
    return window.sessionStorage.getItem(LOST) === '1';
  } catch {
    return false;
  }
}

/** The graphics processor gave up: the page begins again without it. */
export function giveUpGpu(): void {
  try {
    window.sessionStorage.setItem(LOST, '1');
  } catch {
    // A frame without storage; the address says it.
  }
  const address = new URL(window.location.href);
  address.searchParams.set('render', 'cpu');
  window.location.replace(address.href);
}
