// Which series comes first, and which one after another.

import { type Description, isShown, type Series, type Shelf } from '../exam.ts';

const images = (description: Description): Series[] => [
  ...description.series.filter((series) => series.kind === 'image' && isShown(series)),
  ...description.series.filter((series) => series.kind === 'film' && isShown(series)),
];

/** The first series that is more than a localiser; the first at all when there is none. */
export function firstShelf(description: Description): Shelf | undefined {
  const all = images(description);
  const most = Math.max(0, ...all.map((series) => series.frames));
  const series = all.find((one) => one.frames >= Math.min(5, most)) ?? all[0];
  return series && { exam: description.exam, series };
}

export function neighbour(description: Description, of: Shelf, by: 1 | -1): Shelf | undefined {
  const all = images(description);
  const at = all.findIndex((series) => series.series === of.series.series && series.study === of.series.study);
  const series = at < 0 ? undefined : all[at + by];
  return series && { exam: description.exam, series };
}
