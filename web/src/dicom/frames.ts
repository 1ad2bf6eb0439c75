// Fetches frames in a form that this browser decodes rightly, and has them decoded by a few workers.

import { getBytes } from '../net.ts';
import { paddingOf } from './automatic.ts';
import { decodeBase64, number, numbers, text } from './json.ts';
import { type Table, tableOf } from './lookup.ts';
import { planesInPixels } from './overlay.ts';
import { picture } from './picture.ts';
import type { FrameHeader, Palette, Pixels } from './pixels.ts';
import { decode } from './pool.ts';
import type { Slice } from './slice.ts';

const EXPLICIT_LITTLE = '1.2.840.10008.1.2.1';
/** Syntaxes whose decoders here give what independent decoders give; everything else is decoded by the server. */
const DECODED_HERE = new Set(['1.2.840.10008.1.2.5', '1.2.840.10008.1.2.4.70', '1.2.840.10008.1.2.4.80', '1.2.840.10008.1.2.4.90']);
const NATIVE = new Set(['1.2.840.10008.1.2', EXPLICIT_LITTLE, '1.2.840.10008.1.2.2']);
const BASELINE = '1.2.840.10008.1.2.4.50';

export interface Frame {
  pixels: Pixels;
  /** How the object wants its values looked at, when it says so by a table. */
  table?: Table;
}

/** A frame that this machine should not hold. */
export class TooLarge extends Error {}

/** Most bytes that one frame may take when it is unpacked. */
export function frameBound(): number {
  const memory = (navigator as { deviceMemory?: number }).deviceMemory ?? 4;
  return Math.min(512, Math.max(128, memory * 64)) * (1 << 20);
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
  const isSigned = number(slice.data, '00280103') === 1;
  // What is drawn takes four bytes for each pixel beside the values themselves.
  const pixels = (number(slice.data, '00280010') ?? 0) * (number(slice.data, '00280011') ?? 0);
  if (pixels * 8 > frameBound()) throw new TooLarge(slice.imageId);
  const table = slice.values.hasVoiTable ? await tableOf(slice.data, '00283010', isSigned) : undefined;
  return { pixels: await pixelsFrom(slice, await headerOf(slice, takesFractions, !slice.values.window && !table)), table };
}

async function pixelsFrom(slice: Slice, header: FrameHeader): Promise<Pixels> {
  const frameUrl = `${slice.url}/frames/${slice.frame}`;
  const syntax = text(slice.data, '00083002') || text(slice.data, '00020010');
  const isColor = header.samples > 1 || header.photometric === 'PALETTE COLOR';
  // Segments of a palette are put together by the server (PS3.3 section C.7.9.2).
  const isSegmented = header.photometric === 'PALETTE COLOR' && !header.palette;
  if (isColor && (isSegmented || !NATIVE.has(syntax))) {
    // Without a marker of its own a JPEG picture with three components is taken for YCbCr, which these are.
    const isPlainJpeg = syntax === BASELINE && header.photometric.startsWith('YBR') && header.bitsAllocated === 8;
    const { bytes } = isPlainJpeg
      ? await getBytes(frameUrl, 'image/jpeg')
      : await getBytes(`${frameUrl}/rendered`, 'image/png');
    const type = isPlainJpeg ? 'image/jpeg' : 'image/png';
    return typeof OffscreenCanvas === 'function' ? decode(bytes, type, header) : picture(bytes.buffer as ArrayBuffer, type, header);
  }
  const wanted = DECODED_HERE.has(syntax) ? '*' : EXPLICIT_LITTLE;
  const { bytes, contentType } = await getBytes(frameUrl, `application/octet-stream; transfer-syntax=${wanted}`);
  const form = /transfer-syntax="?([\d.]+)/.exec(contentType)?.[1] ?? EXPLICIT_LITTLE;
  try {
    return await decode(bytes, form, header);
  } catch (error) {
    if (NATIVE.has(form)) throw error;
    // An old browser does not run the decoder under our policy, or a line does not bring it: the server decodes as well.
    const plain = await getBytes(frameUrl, `application/octet-stream; transfer-syntax=${EXPLICIT_LITTLE}`);
    const pixels = await decode(plain.bytes, EXPLICIT_LITTLE, header);
    DECODED_HERE.delete(syntax);
    return pixels;
  }
}

async function headerOf(slice: Slice, takesFractions: boolean, needsWindow: boolean): Promise<FrameHeader> {
  const { data, values } = slice;
  const photometric = text(data, '00280004').trim();
  const bitsAllocated = number(data, '00280100') ?? 16;
  const bitsStored = number(data, '00280101') ?? bitsAllocated;
  const isSigned = number(data, '00280103') === 1;
  return {
    rows: number(data, '00280010') ?? 0,
    columns: number(data, '00280011') ?? 0,
    samples: number(data, '00280002') ?? 1,
    photometric,
    bitsAllocated,
    bitsStored,
    highBit: number(data, '00280102') ?? bitsStored - 1,
    isSigned,
    isPlanar: number(data, '00280006') === 1,
    slope: values.slope,
    intercept: values.intercept,
    modality: values.hasModalityTable ? await tableOf(data, '00283000', isSigned) : undefined,
    palette: photometric === 'PALETTE COLOR' && data['00281201'] ? await palettesOf(slice) : undefined,
    overlayBits: planesInPixels(data).map(({ bit }) => bit),
    padding: paddingOf(data, isSigned),
    needsWindow,
    takesFractions,
  };
}

const palettes = new Map<string, Promise<Palette[]>>();

function palettesOf(slice: Slice): Promise<Palette[]> {
  let read = palettes.get(slice.instanceUid);
  if (!read) {
    read = Promise.all(['1', '2', '3'].map((channel) => paletteOf(slice, channel)));
    // What failed is tried anew.
    read.catch(() => palettes.delete(slice.instanceUid));
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
