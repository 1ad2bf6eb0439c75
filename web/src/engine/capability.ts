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

type Graphics = 'hardware' | 'emulated' | 'none';

let known: Graphics | undefined;

/** What WebGL stands on here. */
export function graphics(): Graphics {
  known ??= kept() ?? keep(look());
  return known;
}

// To begin with an emulated processor only to learn that it is one takes longer than to draw: that it is one is remembered
// for a day. A real one is looked at each time; it is fast, and may be gone.
const FOUND = 'yingku.graphics';
const DAY_MS = 86_400_000;

function kept(): Graphics | undefined {
  try {
    const [found, at] = (window.localStorage.getItem(FOUND) ?? '').split(' ');
    const age = Date.now() - Number(at);
    return found === 'emulated' && age >= 0 && age < DAY_MS ? found : undefined;
  } catch {
    return undefined;
  }
}

function keep(found: Graphics): Graphics {
  try {
    if (found === 'emulated') window.localStorage.setItem(FOUND, `${found} ${Date.now()}`);
    else window.localStorage.removeItem(FOUND);
  } catch {
    // A frame without storage looks again.
  }
  return found;
}

function look(): Graphics {
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
