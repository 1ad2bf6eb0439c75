// Which tool hangs on which button of the mouse and on its wheel: the reader's habit, kept in this browser. Nothing of a
// patient is in it, and without storage it holds for as long as the page is open.

import { Enums } from '@cornerstonejs/tools';

export type DraggedName = 'window' | 'scroll' | 'pan' | 'zoom' | 'length' | 'angle' | 'ellipse' | 'rectangle';
/** The glass is drawn by lens.ts. */
export type ToolName = DraggedName | 'magnify';

export interface Mouse {
  /** The tool that is chosen when the viewer opens; another one is chosen at any time. */
  left: ToolName;
  middle: DraggedName;
  right: DraggedName;
  wheel: 'scroll' | 'zoom';
}

const KEY = 'yingku.mouse';
export const USUAL: Mouse = { left: 'window', middle: 'pan', right: 'zoom', wheel: 'scroll' };
/** What each of them may be. */
export const CHOICES: { [button in keyof Mouse]: Mouse[button][] } = {
  left: ['window', 'scroll', 'pan', 'zoom', 'length', 'angle', 'ellipse', 'rectangle', 'magnify'],
  middle: ['window', 'scroll', 'pan', 'zoom', 'length'],
  right: ['window', 'scroll', 'pan', 'zoom', 'length'],
  wheel: ['scroll', 'zoom'],
};

let current: Mouse | undefined;

export const mouse = (): Mouse => (current ??= read());

/** Keeps another habit; `undefined` goes back to the usual one. */
export function keepMouse(next: Mouse | undefined): void {
  current = next ?? USUAL;
  try {
    if (next) window.localStorage.setItem(KEY, JSON.stringify(next));
    else window.localStorage.removeItem(KEY);
  } catch {
    // A frame without storage: it holds until the page is left.
  }
}

/** What was kept, as far as it is still something to choose. */
function read(): Mouse {
  let kept: Partial<Record<keyof Mouse, unknown>> | null = null;
  try {
    kept = JSON.parse(window.localStorage.getItem(KEY) ?? 'null') as typeof kept;
  } catch {
    // No storage, or words of another.
  }
  const of = <Name extends keyof Mouse>(button: Name): Mouse[Name] => CHOICES[button].find((one) => one === kept?.[button]) ?? USUAL[button];
  return { left: of('left'), middle: of('middle'), right: of('right'), wheel: of('wheel') };
}

/** How a tool is reached while `chosen` is on the left button and under one finger; two fingers always zoom and move. */
export function bindingsOf<Name extends string>(name: Name, chosen: Name | ToolName): { mouseButton?: number; numTouchPoints?: number }[] {
  const { MouseBindings } = Enums;
  const { middle, right, wheel } = mouse();
  const found = [];
  if (chosen === name) found.push({ mouseButton: MouseBindings.Primary }, { numTouchPoints: 1 });
  if (middle === name) found.push({ mouseButton: MouseBindings.Auxiliary });
  if (right === name) found.push({ mouseButton: MouseBindings.Secondary });
  if (wheel === name) found.push({ mouseButton: MouseBindings.Wheel });
  if (name === 'zoom') found.push({ numTouchPoints: 2 });
  return found;
}

/** The tool under a button that goes down, by its number in the event. */
export function toolUnder(button: number, chosen: ToolName): ToolName {
  const { middle, right } = mouse();
  if (button === 1) return middle;
  return button === 2 ? right : chosen;
}
