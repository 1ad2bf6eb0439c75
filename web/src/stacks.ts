// Series that were read: their slices, and which images somebody has marked as key images.

import { type Description, type Series, seriesUrl } from './exam.ts';
import { getJson } from './net.ts';
import { type DataSet, items, text } from './dicom/json.ts';
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

/** The instances that key object selections name (PS3.3 section C.17.6). */
export async function keyInstances(description: Description): Promise<Set<string>> {
  const named = new Set<string>();
  const walk = (set: DataSet) => {
    for (const reference of items(set, '00081199')) named.add(text(reference, '00081155'));
    for (const item of items(set, '0040A730')) walk(item);
  };
  for (const series of description.series.filter((one) => one.modality === 'KO' && one.offline === 0)) {
    (await metadataOf(description.links.dicomweb, series)).forEach(walk);
  }
  return named;
}
