// Grayscale Softcopy Presentation States (PS3.3 sections A.33.1, C.10 and C.11): how somebody has left an image, with what
// was drawn on it. Windows, tables, inversion, turns, the displayed area, texts and graphics are read; nothing is measured
// from them. Sizes are bounded: a presentation state is another system's data.

import { type DataSet, items, number, numbers, text } from './json.ts';
import { functionOf, type Look, lookOfTable, tableOf } from './lookup.ts';

/** Images that a part of a presentation state is about; all that the state names when `undefined`. */
export type Scope = { uid: string; frames: number[] }[] | undefined;

export interface Area {
  scope: Scope;
  /** Columns and rows from 1, the first and the last that are seen. */
  from: [number, number];
  to: [number, number];
  mode: 'SCALE TO FIT' | 'TRUE SIZE' | 'MAGNIFY';
  magnification: number;
}

type Units = 'PIXEL' | 'DISPLAY';
type Point = [number, number];

export interface Graphic {
  scope: Scope;
  kind: 'POINT' | 'POLYLINE' | 'INTERPOLATED' | 'CIRCLE' | 'ELLIPSE';
  units: Units;
  points: Point[];
  isFilled: boolean;
}

export interface Words {
  scope: Scope;
  lines: string[];
  box?: { units: Units; from: Point; to: Point; align: string };
  anchor?: { units: Units; at: Point; isVisible: boolean };
}

export interface Presentation {
  uid: string;
  name: string;
  images: NonNullable<Scope>;
  looks: { scope: Scope; look: Look }[];
  isInverse: boolean | undefined;
  rotation: number;
  isFlipped: boolean;
  areas: Area[];
  graphics: Graphic[];
  words: Words[];
}

const MOST_IMAGES = 20_000;
const MOST_OBJECTS = 2_000;
const MOST_POINTS = 10_000;
const MOST_LETTERS = 2_000;

export async function presentationOf(set: DataSet): Promise<Presentation> {
  const annotations = items(set, '00700001').slice(0, MOST_OBJECTS);
  const looks = await Promise.all(items(set, '00283110').slice(0, 100).map(lookIn));
  const shape = text(set, '20500020').trim();
  const rotation = number(set, '00700042') ?? 0;
  return {
    uid: text(set, '00080018'),
    name: nameOf(set),
    images: items(set, '00081115').flatMap((series) => scopeOf(series) ?? []).slice(0, MOST_IMAGES),
    looks: looks.flatMap((found) => found ?? []),
    isInverse: shape ? shape === 'INVERSE' : undefined,
    rotation: [90, 180, 270].includes(rotation) ? rotation : 0,
    isFlipped: text(set, '00700041').trim() === 'Y',
    areas: items(set, '0070005A').slice(0, MOST_OBJECTS).flatMap(areaOf),
    graphics: annotations.flatMap((one) => items(one, '00700009').flatMap((graphic) => graphicOf(graphic, scopeOf(one)))).slice(0, MOST_OBJECTS),
    words: annotations.flatMap((one) => items(one, '00700008').flatMap((words) => wordsOf(words, scopeOf(one)))).slice(0, MOST_OBJECTS),
  };
}

/** Whether a part is about a frame. */
export function covers(scope: Scope, uid: string, frame: number): boolean {
  return scope === undefined || scope.some((one) => one.uid === uid && (one.frames.length === 0 || one.frames.includes(frame)));
}

function nameOf(set: DataSet): string {
  const label = text(set, '00700080').trim();
  const described = text(set, '00700081').trim();
  const words = described || label;
  return words.slice(0, 64);
}

function scopeOf(set: DataSet): Scope {
  const references = items(set, '00081140');
  if (references.length === 0) return undefined;
  return references.slice(0, MOST_IMAGES).map((one) => ({ uid: text(one, '00081155'), frames: numbers(one, '00081160') ?? [] }));
}

async function lookIn(set: DataSet): Promise<{ scope: Scope; look: Look } | undefined> {
  const scope = scopeOf(set);
  const name = text(set, '00281055').trim();
  const center = number(set, '00281050');
  const width = number(set, '00281051');
  if (center !== undefined && width !== undefined && width >= 1) return { scope, look: { center, width, function: functionOf(set), name } };
  const table = await tableOf(set, '00283010', false);
  return table && { scope, look: lookOfTable(table, name || 'VOI LUT') };
}

const pair = (set: DataSet, tag: string): Point | undefined => numbers(set, tag, 2)?.slice(0, 2) as Point | undefined;

function areaOf(set: DataSet): Area[] {
  const from = pair(set, '00700052');
  const to = pair(set, '00700053');
  if (!from || !to) return [];
  const mode = text(set, '00700100').trim();
  const magnification = number(set, '00700103') ?? 1;
  return [{ scope: scopeOf(set), from, to, mode: mode === 'TRUE SIZE' || mode === 'MAGNIFY' ? mode : 'SCALE TO FIT', magnification: magnification > 0 ? magnification : 1 }];
}

const unitsOf = (set: DataSet, tag: string): Units => (text(set, tag).trim() === 'DISPLAY' ? 'DISPLAY' : 'PIXEL');

function graphicOf(set: DataSet, scope: Scope): Graphic[] {
  const kind = text(set, '00700023').trim();
  const flat = numbers(set, '00700022', 2) ?? [];
  const points: Point[] = [];
  for (let at = 0; at + 1 < flat.length && points.length < MOST_POINTS; at += 2) points.push([flat[at]!, flat[at + 1]!]);
  const least: Record<string, number> = { POINT: 1, POLYLINE: 2, INTERPOLATED: 2, CIRCLE: 2, ELLIPSE: 4 };
  if (!least[kind] || points.length < least[kind]) return [];
  return [{ scope, kind: kind as Graphic['kind'], units: unitsOf(set, '00700005'), points, isFilled: text(set, '00700024').trim() === 'Y' }];
}

function wordsOf(set: DataSet, scope: Scope): Words[] {
  const lines = text(set, '00700006').slice(0, MOST_LETTERS).split(/\r\n|\r|\n/);
  const from = pair(set, '00700010');
  const to = pair(set, '00700011');
  const anchor = pair(set, '00700014');
  if (lines.every((line) => line.trim() === '') || (!anchor && !(from && to))) return [];
  const words: Words = { scope, lines };
  if (from && to) words.box = { units: unitsOf(set, '00700003'), from, to, align: text(set, '00700012').trim() };
  if (anchor) words.anchor = { units: unitsOf(set, '00700004'), at: anchor, isVisible: text(set, '00700015').trim() === 'Y' };
  return [words];
}
