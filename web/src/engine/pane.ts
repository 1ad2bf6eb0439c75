// What a pane is, and the registry of all of them.

import type { RenderingEngine, Types } from '@cornerstonejs/core';
import type { Presentation } from '../dicom/presentation.ts';
import type { Slice } from '../dicom/slice.ts';
import type { ToolName } from './mouse.ts';
import type { Chosen } from './window.ts';

export interface PaneView {
  slice: Slice | undefined;
  index: number;
  count: number;
  center: number;
  width: number;
  /** The name of the table in whose place a window would stand. */
  table: string;
  /** Image pixels to CSS pixels. */
  zoom: number;
  isColor: boolean;
  /** Whether the reader has turned dark and bright. */
  isInverted: boolean;
  /** Whether what the pane last drew belongs to something else. */
  isBlank: boolean;
  /** Letters of the right, left, lower and upper side. */
  sides: string;
  state: 'empty' | 'loading' | 'shown' | 'failed';
  loaded: number;
  /** Why it failed: `large`, `none` (a stack without images), or what went wrong. */
  error: string;
  /** The presentation state that is applied. */
  presentation: string;
}

export interface Pane {
  id: string;
  element: HTMLDivElement;
  marks: HTMLCanvasElement;
  slices: Slice[];
  view: PaneView;
  wanted: number;
  /** What the reader chose; else each image has its own. */
  window: Chosen | undefined;
  inverted: boolean;
  presentation: Presentation | undefined;
  isLaidOut: boolean;
  /** What the button that is down does. */
  pressed: ToolName | undefined;
  /** Counts the stacks that were put into the pane. */
  series: number;
  onChange: (view: PaneView) => void;
}

export const EMPTY: PaneView = {
  slice: undefined, index: 0, count: 0, center: 0, width: 0, table: '', zoom: 0, isColor: false, isInverted: false, isBlank: true, sides: '', state: 'empty', loaded: 0, error: '', presentation: '',
};

export const panes = new Map<string, Pane>();

let engine: RenderingEngine;

export function useEngine(started: RenderingEngine): void {
  engine = started;
}

export const viewportOf = (id: string): Types.IStackViewport | undefined => engine.getViewport(id) as Types.IStackViewport | undefined;

export function change(pane: Pane, changes: Partial<PaneView>): void {
  pane.view = { ...pane.view, ...changes };
  pane.onChange(pane.view);
}
