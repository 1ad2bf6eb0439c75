// Decodes frames beside the page. Decoders are loaded when the first frame needs them.

import { picture } from './picture.ts';
import { type FrameHeader, frameOf, type Pixels, unpackRle, Unreadable } from './pixels.ts';

export interface DecodeRequest {
  id: number;
  bytes: ArrayBuffer;
  /** A transfer syntax, or a media type of pictures. */
  form: string;
  header: FrameHeader;
}

export interface DecodeAnswer {
  id: number;
  pixels?: Pixels;
  error?: string;
  /** Whether this worker will never decode such frames: its decoder did not come. */
  isLame?: boolean;
}

interface Codec {
  getEncodedBuffer(length: number): Uint8Array;
  getDecodedBuffer(): Uint8Array;
  decode(): void;
  getFrameInfo(): { width: number; height: number; bitsPerSample: number; componentCount: number };
}

type Factory = (options: { locateFile: (name: string) => string }) => Promise<Record<string, new () => Codec>>;

const codecs = new Map<string, Promise<Codec>>();

/** A decoder that could not be loaded, or that this browser does not run. */
class Missing extends Error {}

const missing = (error: unknown): never => {
  throw new Missing(String(error));
};

function codecOf(name: 'jpegls' | 'jpeg2000'): Promise<Codec> {
  let codec = codecs.get(name);
  if (!codec) {
    codec = (name === 'jpegls' ? charls() : openjpeg()).catch(missing);
    codecs.set(name, codec);
  }
  return codec;
}

async function charls(): Promise<Codec> {
  const wasm = new URL('../../node_modules/@cornerstonejs/codec-charls/dist/charlswasm_decode.wasm', import.meta.url).href;
  const { default: factory } = (await import('@cornerstonejs/codec-charls/decodewasmjs')) as { default: Factory };
  const { JpegLSDecoder } = await factory({ locateFile: () => wasm });
  return new JpegLSDecoder!();
}

async function openjpeg(): Promise<Codec> {
  const wasm = new URL('../../node_modules/@cornerstonejs/codec-openjpeg/dist/openjpegwasm_decode.wasm', import.meta.url).href;
  const { default: factory } = (await import('@cornerstonejs/codec-openjpeg/decodewasmjs')) as { default: Factory };
  const { J2KDecoder } = await factory({ locateFile: () => wasm });
  return new J2KDecoder!();
}

async function byCodec(name: 'jpegls' | 'jpeg2000', bytes: Uint8Array, header: FrameHeader): Promise<Pixels> {
  const codec = await codecOf(name);
  codec.getEncodedBuffer(bytes.length).set(bytes);
  codec.decode();
  const info = codec.getFrameInfo();
  if (info.width !== header.columns || info.height !== header.rows || info.componentCount !== header.samples) {
    throw new Unreadable('the frame is not what the header says');
  }
  // A copy: the decoder's memory is used again.
  const plain = codec.getDecodedBuffer().slice();
  return frameOf(plain, header, info.bitsPerSample > 8 ? 16 : 8);
}

async function lossless(bytes: Uint8Array, header: FrameHeader): Promise<Pixels> {
  const { Decoder } = await import('@cornerstonejs/jpeg-lossless-decoder-js').catch(missing);
  const out = new Decoder().decode(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length, header.bitsAllocated <= 8 ? 1 : 2);
  return frameOf(new Uint8Array(out.buffer, out.byteOffset, out.byteLength), header);
}

async function decode({ bytes, form, header }: DecodeRequest): Promise<Pixels> {
  if (form.startsWith('image/')) return picture(bytes, form, header);
  const content = new Uint8Array(bytes);
  switch (form) {
    case '1.2.840.10008.1.2.5':
      return frameOf(unpackRle(content, header), header);
    case '1.2.840.10008.1.2.4.70':
      return lossless(content, header);
    case '1.2.840.10008.1.2.4.80':
      return byCodec('jpegls', content, header);
    case '1.2.840.10008.1.2.4.90':
      return byCodec('jpeg2000', content, header);
    case '1.2.840.10008.1.2':
    case '1.2.840.10008.1.2.1':
      return frameOf(content, header);
    default:
      throw new Unreadable(form);
  }
}

self.onmessage = async (event: MessageEvent<DecodeRequest>) => {
  const answer: DecodeAnswer = { id: event.data.id };
  try {
    answer.pixels = await decode(event.data);
  } catch (error) {
    answer.error = error instanceof Error ? error.message : String(error);
    answer.isLame = error instanceof Missing;
  }
  const buffer = answer.pixels?.kind === 'gray' ? answer.pixels.values.buffer : answer.pixels?.rgba.buffer;
  (self as unknown as Worker).postMessage(answer, buffer ? [buffer as ArrayBuffer] : []);
};
