// Keys while the planes have the screen: those of the panes, as far as a plane can do the same.

import { useLayoutEffect, useRef } from 'preact/hooks';
import type { PlaneTool } from '../engine/volume.ts';

export interface PlaneKeys {
  step: (by: number) => void;
  end: (last: boolean) => void;
  /** To another plane. */
  plane: (by: 1 | -1) => void;
  window: (wider: number, higher: number) => void;
  preset: (at: number) => void;
  tool: (tool: PlaneTool) => void;
  zoom: (times: number) => void;
  fit: () => void;
  large: () => void;
  thick: () => void;
  remove: () => void;
  leave: () => void;
}

const STEPS: Record<string, number> = { ArrowUp: -1, ArrowDown: 1, PageUp: -10, PageDown: 10 };
const TOOLS: Record<string, PlaneTool> = { c: 'cross', w: 'window', s: 'scroll', p: 'pan', z: 'zoom', l: 'length' };
const WINDOWS: Record<string, [number, number]> = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

export function usePlaneKeys(keys: PlaneKeys): void {
  const latest = useRef(keys);
  latest.current = keys;
  useLayoutEffect(() => {
    const press = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
      if (/^(BUTTON|A)$/.test(target.tagName) && (event.key === ' ' || event.key === 'Enter')) return;
      if (target.closest('[role="menu"]') && event.key.startsWith('Arrow')) return;
      if (act(event, latest.current)) event.preventDefault();
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, []);
}

function act(event: KeyboardEvent, keys: PlaneKeys): boolean {
  const key = event.key.toLowerCase();
  const window = event.shiftKey ? WINDOWS[event.key] : undefined;
  const step = STEPS[event.key];
  if (window) keys.window(...window);
  else if (step) keys.step(step);
  else if (event.key === 'Home' || event.key === 'End') keys.end(event.key === 'End');
  else if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') keys.plane(event.key === 'ArrowLeft' ? -1 : 1);
  else if (/^\d$/.test(key)) keys.preset(Number(key));
  else if (TOOLS[key]) keys.tool(TOOLS[key]);
  else if (key === '+' || key === '=') keys.zoom(1.25);
  else if (key === '-') keys.zoom(0.8);
  else if (key === 'f') keys.fit();
  else if (key === 'e') keys.large();
  else if (key === 't') keys.thick();
  else if (key === 'delete' || key === 'backspace') keys.remove();
  else if (key === 'escape') keys.leave();
  else return false;
  return true;
}
