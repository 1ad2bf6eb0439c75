// Which windows a pane offers: those of the modality, those that the image brings, and harder or softer than its own.

import type { PaneView } from '../engine/index.ts';
import type { Chosen } from '../engine/window.ts';
import type { Preset } from '../exam.ts';
import { words } from '../words.ts';
import type { Choice } from './Menu.tsx';

export interface Offer {
  name: string;
  /** What it is in numbers. */
  more: string;
  chosen: Chosen;
}

/**
 * Modalities in whose reading contrast is made harder or softer. Not those that are looked at from nought upwards (NM, PT),
 * where the middle is not what stays, and not ultrasound, whose grey is made by the machine.
 */
const RELATIVE = ['MR', 'CR', 'DX', 'MG', 'RF', 'XA'];

export function offersOf(modality: string | undefined, presets: Preset[], view: PaneView | undefined): Offer[] {
  if (!view || view.isColor) return [];
  const absolute = presets
    .filter((preset) => preset.modality === modality)
    .map(({ name, center, width }) => ({ name, more: `${width} / ${center}`, chosen: { center, width } }));
  // The first is the one that the image is shown with.
  const brought = (view.slice?.values.windows ?? []).map(({ name, center, width }, nth) => ({ name: name || `${words.brought} ${nth + 1}`, more: `${width} / ${center}`, chosen: { nth } })).slice(1);
  const hasOwn = RELATIVE.includes(modality ?? '') && view.table === '';
  const relative = hasOwn ? HARDNESS.map(([name, times]) => ({ name, more: `WW × ${times}`, chosen: { times } })) : [];
  return [...absolute, ...brought, ...relative];
}

const HARDNESS: [string, number][] = [
  [words.hardest, 0.6],
  [words.harder, 0.8],
  [words.softer, 1.25],
  [words.softest, 1.6],
];

export const choicesOf = (offers: Offer[], onChoose: (chosen: Chosen | undefined) => void): Choice[] => [
  { key: '', text: words.original, data: { 'data-preset': '' }, act: () => onChoose(undefined) },
  ...offers.map(({ name, more, chosen }, at) => ({ key: String(at), text: name, more, data: { 'data-preset': name }, act: () => onChoose(chosen) })),
];
