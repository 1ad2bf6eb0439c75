// What measurements say: a unit only where the object supports it.

import type { Slice } from '../dicom/slice.ts';
import { words } from '../words.ts';
import { rescaleOf, sliceById } from './loader.ts';
import { lengthUnit } from './units.ts';

interface Stats {
  length?: number | null;
  angle?: number | null;
  area?: number | null;
  mean?: number | null;
  stdDev?: number | null;
  min?: number | null;
  max?: number | null;
  unit?: string | null;
  areaUnit?: string | null;
  isEmptyArea?: boolean;
}

interface Annotated {
  cachedStats: Record<string, Stats | undefined>;
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

function read(data: unknown, target: unknown): { stats: Stats; slice: Slice | undefined; imageId: string } | undefined {
  const id = Array.isArray(target) ? String(target[0]) : String(target);
  const stats = (data as Annotated).cachedStats[id];
  if (!stats) return undefined;
  const imageId = id.replace(/^imageId:/, '');
  return { stats, slice: sliceById(imageId), imageId };
}

export function lengthLines(data: unknown, target: unknown): string[] {
  const found = read(data, target);
  if (!found || !isNumber(found.stats.length)) return [];
  const { unit, mark } = lengthUnit(found.slice?.plane.scale, found.stats.unit);
  return [`${found.stats.length.toFixed(unit === 'px' ? 1 : unit === 'cm' ? 2 : 1)} ${unit}${mark}`];
}

export function angleLines(data: unknown, target: unknown): string[] {
  const found = read(data, target);
  return found && isNumber(found.stats.angle) ? [`${found.stats.angle.toFixed(1)}°`] : [];
}

export function areaLines(data: unknown, target: unknown): string[] {
  const found = read(data, target);
  if (!found || !isNumber(found.stats.area)) return [];
  const { stats, slice, imageId } = found;
  const { unit, mark } = lengthUnit(slice?.plane.scale, stats.areaUnit?.replace(/²/g, ''));
  const lines = [`${words.area} ${stats.area!.toFixed(unit === 'cm' ? 2 : 1)} ${unit}²${mark}`];
  if (!isNumber(stats.mean)) return lines;
  const { slope, intercept } = rescaleOf(imageId);
  const value = (number: number) => number * slope + intercept;
  const tail = slice?.values.unit ? ` ${slice.values.unit}` : '';
  lines.push(`${words.mean} ${value(stats.mean).toFixed(1)}${tail}`);
  if (isNumber(stats.stdDev)) lines.push(`${words.deviation} ${(stats.stdDev * Math.abs(slope)).toFixed(1)}`);
  if (isNumber(stats.min) && isNumber(stats.max)) {
    const ends = [value(stats.min), value(stats.max)].sort((a, b) => a - b);
    lines.push(`${words.range} ${ends.map((end) => Number(end.toFixed(1))).join(' … ')}`);
  }
  return lines;
}
