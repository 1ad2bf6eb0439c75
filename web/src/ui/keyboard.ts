// Keys: everything that the mouse does to an image. With Shift, arrows do what dragging with the tool does; Enter measures.

import { useLayoutEffect, useRef } from 'preact/hooks';
import type { ToolName, Turn } from '../engine/index.ts';

export interface KeyActions {
  /** Whether the key was one for measuring. */
  point: (key: string, isSmall: boolean) => boolean;
  step: (by: number) => void;
  nudge: (right: number, down: number) => void;
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
const TOOLS: Record<string, ToolName> = { w: 'window', s: 'scroll', p: 'pan', z: 'zoom', l: 'length', a: 'angle', e: 'ellipse', b: 'rectangle', m: 'magnify' };
const NUDGES: Record<string, [number, number]> = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const TURNS: Record<string, Turn> = { r: 'right', h: 'flipH', v: 'flipV', i: 'invert', f: 'fit', x: 'actual', escape: 'reset', '+': 'in', '=': 'in', '-': 'out' };

/** `isPaused`: something else has the screen and the keys. */
export function useKeys(actions: KeyActions, isPaused: boolean): void {
  const latest = useRef(actions);
  latest.current = actions;
  // At once: the next key may be meant for them.
  useLayoutEffect(() => {
    if (isPaused) return undefined;
    const press = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
      // Enter and blank press the button that has the focus.
      if (/^(BUTTON|A)$/.test(target.tagName) && (event.key === ' ' || event.key === 'Enter')) return;
      // A menu or the list of series has its arrows for itself.
      if (target.closest('[role="menu"]') && event.key.startsWith('Arrow')) return;
      if (latest.current.point(event.key, event.shiftKey)) return event.preventDefault();
      const nudge = event.shiftKey ? NUDGES[event.key] : undefined;
      if (nudge) latest.current.nudge(...nudge);
      if (nudge || act(event.key, latest.current)) event.preventDefault();
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, [isPaused]);
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
