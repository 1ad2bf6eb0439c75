// With what images are drawn: a graphics processor where there is one; without it where WebGL is only emulated, which is
// slower than plain drawing, or where it has failed. The reader may choose otherwise for as long as the tab is open.

export type Renderer = 'gpu' | 'cpu';

const CHOICE = 'yingku.renderer';
const EMULATED = /swiftshader|llvmpipe|softpipe|software|basic render/i;

export function chooseRenderer(): Renderer {
  const asked = new URLSearchParams(window.location.search).get('render') ?? remembered();
  if (asked === 'cpu') return 'cpu';
  const found = graphics();
  return found === 'hardware' || (asked === 'gpu' && found === 'emulated') ? 'gpu' : 'cpu';
}

let known: 'hardware' | 'emulated' | 'none' | undefined;

/** What WebGL stands on here. */
export function graphics(): 'hardware' | 'emulated' | 'none' {
  known ??= look();
  return known;
}

function look(): 'hardware' | 'emulated' | 'none' {
  const context = document.createElement('canvas').getContext('webgl2');
  if (!context) return 'none';
  const names = context.getExtension('WEBGL_debug_renderer_info');
  const name = names ? String(context.getParameter(names.UNMASKED_RENDERER_WEBGL)) : '';
  // There are few contexts for a page.
  context.getExtension('WEBGL_lose_context')?.loseContext();
  return EMULATED.test(name) ? 'emulated' : 'hardware';
}

function remembered(): string | null {
  try {
    return window.sessionStorage.getItem(CHOICE);
  } catch {
    return null;
  }
}

let isLeaving = false;

/** Begins the page again with the other way of drawing. */
export function switchRenderer(to: Renderer): void {
  // All contexts are lost together, and each says so.
  if (isLeaving) return;
  isLeaving = true;
  try {
    window.sessionStorage.setItem(CHOICE, to);
  } catch {
    // A frame without storage; the address says it.
  }
  const address = new URL(window.location.href);
  address.searchParams.set('render', to);
  window.location.replace(address.href);
}
