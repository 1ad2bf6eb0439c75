// Keys: everything that the mouse does to an image, but drawing.

import { useEffect, useRef } from 'preact/hooks';
import type { ToolName, Turn } from '../engine/index.ts';

export interface KeyActions {
  step: (by: number) => void;
  end: (last: boolean) => void;
  series: (by: 1 | -1) => void;
  preset: (at: number) => void;
  tool: (tool: ToolName) => void;
  turn: (turn: Turn) => void;
  play: () => void;
  key: () => void;
  overlay: () => void;
  remove: () => void;
}

const STEPS: Record<string, number> = { ArrowUp: -1, ArrowDown: 1, PageUp: -10, PageDown: 10 };
const TOOLS: Record<string, ToolName> = { w: 'window', s: 'scroll', p: 'pan', z: 'zoom', l: 'length', a: 'angle', e: 'ellipse', b: 'rectangle' };
const TURNS: Record<string, Turn> = { r: 'right', h: 'flipH', v: 'flipV', i: 'invert', f: 'fit', x: 'actual', escape: 'reset', '+': 'in', '=': 'in', '-': 'out' };

export function useKeys(actions: KeyActions): void {
  const latest = useRef(actions);
  latest.current = actions;
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
      // Enter and blank press the button that has the focus.
      if (/^(BUTTON|A)$/.test(target.tagName) && (event.key === ' ' || event.key === 'Enter')) return;
      if (act(event.key, latest.current)) event.preventDefault();
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, []);
}

function act(pressed: string, actions: KeyActions): boolean {
  const key = pressed.toLowerCase();
  const step = STEPS[pressed];
  if (step) actions.step(step);
  else if (pressed === 'Home' || pressed === 'End') actions.end(pressed === 'End');
  else if (pressed === 'ArrowLeft' || pressed === 'ArrowRight') actions.series(pressed === 'ArrowLeft' ? -1 : 1);
  else if (/^\d$/.test(pressed)) actions.preset(Number(pressed));
  else if (TOOLS[key]) actions.tool(TOOLS[key]);
  else if (TURNS[key]) actions.turn(TURNS[key]);
  else if (key === ' ') actions.play();
  else if (key === 'k') actions.key();
  else if (key === 'o') actions.overlay();
  else if (key === 'delete' || key === 'backspace') actions.remove();
  else return false;
  return true;
}
