// The workers that decode. Browsers remember a module that could not be loaded for as long as who asked for it lives: so a
// worker that did not come, or whose decoder did not, is given up, and the next frame gets a new one.

import type { DecodeAnswer, DecodeRequest } from './decode.worker.ts';
import type { FrameHeader, Pixels } from './pixels.ts';

interface Job {
  resolve: (pixels: Pixels) => void;
  reject: (error: Error) => void;
}

interface Member {
  worker: Worker;
  jobs: Map<number, Job>;
}

const members: Member[] = [];
let asked = 0;

export function decode(bytes: Uint8Array, form: string, header: FrameHeader): Promise<Pixels> {
  const id = (asked += 1);
  const buffer = bytes.buffer as ArrayBuffer;
  const request: DecodeRequest = { id, bytes: buffer, form, header };
  return new Promise((resolve, reject) => {
    const { worker, jobs } = leastBusy();
    jobs.set(id, { resolve, reject });
    worker.postMessage(request, [buffer]);
  });
}

/** Has a worker come that will be wanted: it loads beside the page. */
export function awaken(): void {
  if (members.length === 0) begin();
}

function leastBusy(): Member {
  const most = Math.min(4, Math.max(1, (navigator.hardwareConcurrency || 2) - 1));
  const idle = members.find((one) => one.jobs.size === 0);
  if (idle) return idle;
  if (members.length < most) return begin();
  return members.reduce((least, one) => (one.jobs.size < least.jobs.size ? one : least));
}

function begin(): Member {
  const worker = new Worker(new URL('./decode.worker.ts', import.meta.url), { type: 'module' });
  const one: Member = { worker, jobs: new Map() };
  members.push(one);
  worker.onmessage = ({ data }: MessageEvent<DecodeAnswer>) => {
    const job = one.jobs.get(data.id);
    one.jobs.delete(data.id);
    if (data.pixels) job?.resolve(data.pixels);
    else job?.reject(new Error(data.error ?? ''));
    if (data.isLame) leave(one);
    if (!members.includes(one) && one.jobs.size === 0) worker.terminate();
  };
  worker.onerror = (event) => {
    event.preventDefault();
    leave(one);
    for (const job of one.jobs.values()) job.reject(new Error('the decoder did not come'));
    one.jobs.clear();
    worker.terminate();
  };
  return one;
}

/** It ends what it has, and gets nothing more. */
function leave(one: Member): void {
  const at = members.indexOf(one);
  if (at >= 0) members.splice(at, 1);
}
