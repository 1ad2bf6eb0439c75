// Fetches frames in a form that this browser decodes rightly, and has them decoded by a few workers.

import { getBytes } from '../net.ts';
import type { DecodeAnswer, DecodeRequest } from './decode.worker.ts';
import { decodeBase64, number, numbers, text } from './json.ts';
import type { FrameHeader, Palette, Pixels } from './pixels.ts';
import type { Slice } from './slice.ts';

const EXPLICIT_LITTLE = '1.2.840.10008.1.2.1';
/** Syntaxes whose decoders here give what independent decoders give; everything else is decoded by the server. */
const DECODED_HERE = new Set(['1.2.840.10008.1.2.5', '1.2.840.10008.1.2.4.70', '1.2.840.10008.1.2.4.80', '1.2.840.10008.1.2.4.90']);
const NATIVE = new Set(['1.2.840.10008.1.2', EXPLICIT_LITTLE, '1.2.840.10008.1.2.2']);
const BASELINE = '1.2.840.10008.1.2.4.50';

const workers: Worker[] = [];
const waiting = new Map<number, { resolve: (pixels: Pixels) => void; reject: (error: Error) => void }>();
let asked = 0;

function workerFor(job: number): Worker {
  const most = Math.min(4, Math.max(1, (navigator.hardwareConcurrency || 2) - 1));
  if (workers.length < most) {
    const worker = new Worker(new URL('./decode.worker.ts', import.meta.url), { type: 'module' });
    worker.onmessage = (event: MessageEvent<DecodeAnswer>) => {
      const { id, pixels, error } = event.data;
      const one = waiting.get(id);
      waiting.delete(id);
      if (pixels) one?.resolve(pixels);
      else one?.reject(new Error(error ?? ''));
    };
    workers.push(worker);
    return worker;
  }
  return workers[job % workers.length]!;
}

function decode(bytes: Uint8Array, form: string, header: FrameHeader): Promise<Pixels> {
  const id = (asked += 1);
  const buffer = bytes.buffer as ArrayBuffer;
  const request: DecodeRequest = { id, bytes: buffer, form, header };
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    workerFor(id).postMessage(request, [buffer]);
  });
}

export interface Frame {
  pixels: Pixels;
  length: number;
}

const early = new Map<string, Promise<Frame>>();

/** Begins with a frame before there is anything that draws it. */
export function prepare(slice: Slice, takesFractions: boolean): void {
  const frame = load(slice, takesFractions);
  frame.catch(() => undefined);
  early.set(slice.imageId, frame);
}

export function loadFrame(slice: Slice, takesFractions: boolean): Promise<Frame> {
  const begun = early.get(slice.imageId);
  early.delete(slice.imageId);
  return begun ?? load(slice, takesFractions);
}

async function load(slice: Slice, takesFractions: boolean): Promise<Frame> {
  const header = await headerOf(slice, takesFractions);
  const frameUrl = `${slice.url}/frames/${slice.frame}`;
  const syntax = text(slice.data, '00083002') || text(slice.data, '00020010');
  const isColor = header.samples > 1 || header.photometric === 'PALETTE COLOR';
  if (isColor && !NATIVE.has(syntax)) {
    // Without a marker of its own a JPEG picture with three components is taken for YCbCr, which these are.
    const isPlainJpeg = syntax === BASELINE && header.photometric.startsWith('YBR') && header.bitsAllocated === 8;
    const { bytes } = isPlainJpeg
      ? await getBytes(frameUrl, 'image/jpeg')
      : await getBytes(`${frameUrl}/rendered`, 'image/png');
    const length = bytes.length;
    return { pixels: await decode(bytes, isPlainJpeg ? 'image/jpeg' : 'image/png', header), length };
  }
  const asStored = DECODED_HERE.has(syntax);
  const wanted = asStored ? '*' : EXPLICIT_LITTLE;
  const { bytes, contentType } = await getBytes(frameUrl, `application/octet-stream; transfer-syntax=${wanted}`);
  const given = /transfer-syntax="?([\d.]+)/.exec(contentType)?.[1] ?? EXPLICIT_LITTLE;
  const length = bytes.length;
  return { pixels: await decode(bytes, given, header), length };
}

async function headerOf(slice: Slice, takesFractions: boolean): Promise<FrameHeader> {
  const { data, values } = slice;
  const photometric = text(data, '00280004').trim();
  const bitsAllocated = number(data, '00280100') ?? 16;
  const bitsStored = number(data, '00280101') ?? bitsAllocated;
  return {
    rows: number(data, '00280010') ?? 0,
    columns: number(data, '00280011') ?? 0,
    samples: number(data, '00280002') ?? 1,
    photometric,
    bitsAllocated,
    bitsStored,
    highBit: number(data, '00280102') ?? bitsStored - 1,
    isSigned: number(data, '00280103') === 1,
    isPlanar: number(data, '00280006') === 1,
    slope: values.slope,
    intercept: values.intercept,
    palette: photometric === 'PALETTE COLOR' ? await palettesOf(slice) : undefined,
    takesFractions,
  };
}

const palettes = new Map<string, Promise<Palette[]>>();

function palettesOf(slice: Slice): Promise<Palette[]> {
  let read = palettes.get(slice.instanceUid);
  if (!read) {
    read = Promise.all(['1', '2', '3'].map((channel) => paletteOf(slice, channel)));
    palettes.set(slice.instanceUid, read);
  }
  return read;
}

async function paletteOf({ data }: Slice, channel: string): Promise<Palette> {
  const descriptor = numbers(data, `0028110${channel}`, 3) ?? [0, 0, 8];
  const table = data[`0028120${channel}`];
  let bytes = new Uint8Array();
  if (table?.InlineBinary) bytes = decodeBase64(table.InlineBinary) as Uint8Array<ArrayBuffer>;
  else if (table?.BulkDataURI) {
    const address = new URL(table.BulkDataURI, window.location.href);
    // The server may know itself by another name than the one that this page came from.
    bytes = (await getBytes(address.pathname, 'application/octet-stream')).bytes as Uint8Array<ArrayBuffer>;
  }
  const count = descriptor[0]! || 65536;
  const first = descriptor[1]! > 32767 && number(data, '00280103') === 1 ? descriptor[1]! - 65536 : descriptor[1]!;
  const isWide = bytes.length >= count * 2;
  const words: number[] = [];
  for (let at = 0; at < count; at += 1) {
    words.push(isWide ? bytes[at * 2]! + bytes[at * 2 + 1]! * 256 : (bytes[at] ?? 0));
  }
  // Some write eight bits into the low byte of wide entries.
  const scale = isWide && words.some((word) => word > 255) ? 257 : 1;
  return { first, values: words.map((word) => Math.round(word / scale)) };
}
