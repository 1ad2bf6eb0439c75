// Look-up tables and windows: from stored values to values, and from values to brightness (PS3.3 sections C.11.1, C.11.2 and
// C.11.8). What is computed here is what the server computes for its pictures (src/dicom/render/lut.rs).

import { getBytes } from '../net.ts';
import { type DataSet, decodeBase64, items, numbers, text } from './json.ts';

export interface Table {
  /** The value that the first entry is for. */
  first: number;
  /** Highest value that an entry may have. */
  top: number;
  entries: Uint16Array;
}

export type VoiFunction = 'LINEAR' | 'LINEAR_EXACT' | 'SIGMOID';

/** How values become brightness. With a table the window only says where the table lies. */
export interface Look {
  center: number;
  width: number;
  function: VoiFunction;
  table?: Table;
  /** What the object calls it. */
  name: string;
}

export function lookUp(table: Table, value: number): number {
  const last = table.entries.length - 1;
  const at = Math.trunc(Math.min(last, Math.max(0, value - table.first)));
  return table.entries[at]!;
}

/** Brightness of a value, from 0 to 1. */
export function brightness(look: Look, value: number): number {
  const { center, width, table } = look;
  if (table) return lookUp(table, value) / table.top;
  let share: number;
  if (look.function === 'SIGMOID') share = 1 / (1 + Math.exp((-4 * (value - center)) / width));
  else if (look.function === 'LINEAR' && width > 1) share = (value - (center - 0.5)) / (width - 1) + 0.5;
  // Width 1 is a threshold (C.11.2.1.2.1).
  else if (look.function === 'LINEAR' && width === 1) share = value > center - 0.5 ? 1 : 0;
  else share = (value - center) / width + 0.5;
  return Math.min(1, Math.max(0, share));
}

export function functionOf(set: DataSet): VoiFunction {
  const found = text(set, '00281056').trim().toUpperCase();
  return found === 'SIGMOID' || found === 'LINEAR_EXACT' ? found : 'LINEAR';
}

/** The first table of a sequence of an image or a presentation state; nothing when it is absent or contradicts itself. */
export async function tableOf(set: DataSet, sequence: '00283000' | '00283010', isSigned: boolean): Promise<Table | undefined> {
  const item = items(set, sequence)[0];
  const descriptor = item && numbers(item, '00283002', 3);
  if (!item || !descriptor) return undefined;
  const words = await wordsOf(item);
  const count = descriptor[0]! & 0xffff || 65536;
  const bits = Math.min(16, Math.max(1, descriptor[2]!));
  // Entries of eight bits may be packed two to a word, the first in the low byte.
  const isPacked = words.length * 2 < count * 2 && words.length * 2 >= count;
  const all = isPacked ? words.flatMap((word) => [word & 0xff, word >> 8]) : words;
  const entries = Uint16Array.from(all.slice(0, count));
  if (entries.length === 0) return undefined;
  const highest = entries.reduce((most, entry) => Math.max(most, entry), 0);
  const isSignedFirst = item['00283002']?.vr === 'SS' || (isSigned && text(set, '00083002') === IMPLICIT);
  const first = descriptor[1]! & 0xffff;
  return { first: isSignedFirst && first > 32767 ? first - 65536 : first, top: Math.max(highest, 2 ** bits - 1), entries };
}

const IMPLICIT = '1.2.840.10008.1.2';

async function wordsOf(item: DataSet): Promise<number[]> {
  const data = item['00283006'];
  if (data?.Value) return (numbers(item, '00283006') ?? []).map((value) => value & 0xffff);
  let bytes = new Uint8Array();
  if (data?.InlineBinary) bytes = decodeBase64(data.InlineBinary) as Uint8Array<ArrayBuffer>;
  else if (data?.BulkDataURI) {
    // The server may know itself by another name than the one that this page came from.
    const address = new URL(data.BulkDataURI, window.location.href);
    bytes = (await getBytes(address.pathname, 'application/octet-stream')).bytes as Uint8Array<ArrayBuffer>;
  }
  return Array.from({ length: bytes.length >> 1 }, (_, at) => bytes[at * 2]! + bytes[at * 2 + 1]! * 256);
}

/** A look for a table: the window says where its entries lie. */
export function lookOfTable(table: Table, name: string): Look {
  const width = Math.max(2, table.entries.length);
  return { center: table.first + width / 2, width, function: 'LINEAR', table, name };
}
