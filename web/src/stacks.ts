// Series that were read: their slices, and the presentation states of an exam.

import { type Description, type Series, seriesUrl } from './exam.ts';
import { getJson } from './net.ts';
import type { DataSet } from './dicom/json.ts';
import { type Presentation, presentationOf } from './dicom/presentation.ts';
import { type Slice, slicesOf } from './dicom/slice.ts';

const read = new Map<string, Promise<Slice[]>>();

export const metadataOf = (root: string, series: Series): Promise<DataSet[]> =>
  getJson<DataSet[]>(`${seriesUrl(root, series)}/metadata`, 'application/dicom+json');

export function stackOf(root: string, series: Series): Promise<Slice[]> {
  const key = `${series.study}/${series.series}`;
  let stack = read.get(key);
  if (!stack) {
    stack = metadataOf(root, series).then((sets) => slicesOf(seriesUrl(root, series), sets));
    // What failed is tried anew when it is asked for again.
    stack.catch(() => read.delete(key));
    read.set(key, stack);
  }
  return stack;
}

const states = new Map<Description, Promise<Presentation[]>>();
const MOST_STATES = 200;

/** The presentation states of an exam. */
export function statesOf(description: Description): Promise<Presentation[]> {
  let found = states.get(description);
  if (!found) {
    const series = description.series.filter((one) => one.kind === 'presentation' && one.offline === 0);
    found = Promise.all(series.map((one) => metadataOf(description.links.dicomweb, one)))
      .then((sets) => Promise.all(sets.flat().slice(0, MOST_STATES).map(presentationOf)))
      .then((all) => all.filter((state) => state.images.length > 0));
    found.catch(() => states.delete(description));
    states.set(description, found);
  }
  return found;
}
