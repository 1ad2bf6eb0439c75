// Whether pictures are drawn by the graphics processor. Software in its place is slower than drawing without it.

export type Renderer = 'gpu' | 'cpu';

const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render|microsoft basic/i;
const LOST = 'yingku.gpu-lost';

export function chooseRenderer(): Renderer {
  const asked = new URLSearchParams(window.location.search).get('render');
  if (asked === 'cpu' || asked === 'gpu') return asked;
  if (wasLost()) return 'cpu';
  const canvas = document.createElement('canvas');
  const gl = canvas.getContext('webgl2');
  if (!gl) return 'cpu';
  const info = gl.getExtension('WEBGL_debug_renderer_info');
  const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return SOFTWARE.test(name) ? 'cpu' : 'gpu';
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
