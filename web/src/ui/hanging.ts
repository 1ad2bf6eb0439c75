// Which series comes first, and which one after another.

import { type Description, isShown, type Series, type Shelf } from '../exam.ts';

const images = (description: Description): Series[] => [
  ...description.series.filter((series) => series.kind === 'image' && isShown(series)),
  ...description.series.filter((series) => series.kind === 'film' && isShown(series)),
];

/** What is put up first: the server has chosen it, for it draws its first image. */
export function firstShelf(description: Description): Shelf | undefined {
  const series = description.first === null ? undefined : description.series[description.first];
  return series && { exam: description.exam, series };
}

export function neighbour(description: Description, of: Shelf, by: 1 | -1): Shelf | undefined {
  const all = images(description);
  const at = all.findIndex((series) => series.series === of.series.series && series.study === of.series.study);
  const series = at < 0 ? undefined : all[at + by];
  return series && { exam: description.exam, series };
}
