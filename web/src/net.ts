// Requests to the server: tried again when the line fails, stopped when the session has ended.

export class HttpError extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`HTTP ${status}`);
    this.status = status;
  }
}

const WAITS_MS = [400, 1500, 4000];

/** Called when requests begin to fail (`false`) and when one succeeds again (`true`). */
type Listener = (reachable: boolean) => void;
const listeners = new Set<Listener>();
let reachable = true;
/** What the server is asked for to see whether it can be reached again: this very file, which is nobody's data. */
const BEACON = import.meta.url;

export function watchConnection(listener: Listener): () => void {
  listeners.add(listener);
  window.addEventListener('online', tryConnection);
  return () => {
    window.removeEventListener('online', tryConnection);
    listeners.delete(listener);
  };
}

const BEACON_MS = 5000;
let asking = 0;

/** Asks now whether the server is there; while it is not, this is asked again every few seconds. */
export function tryConnection(): void {
  window.clearTimeout(asking);
  if (reachable) return;
  fetch(BEACON, { method: 'HEAD', credentials: 'same-origin', cache: 'no-store' }).then(
    // Any answer will do: what it says is said where it is asked for in earnest. One that is not read to its end is cut off.
    (response) => response.arrayBuffer().then(() => (response.status < 500 ? say(true) : askLater()), askLater),
    askLater,
  );
}

function askLater(): void {
  asking = window.setTimeout(tryConnection, BEACON_MS);
}

function say(now: boolean): void {
  if (now === reachable) return;
  reachable = now;
  if (!now) askLater();
  listeners.forEach((listener) => listener(now));
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** 0 stands for a line that failed. */
const isPassing = (status: number): boolean => status === 0 || status === 429 || status >= 500;

async function once(url: string, accept: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { headers: { Accept: accept }, credentials: 'same-origin' });
  } catch {
    throw new HttpError(0);
  }
  if (!response.ok) throw new HttpError(response.status);
  return response;
}

async function patiently<T>(url: string, accept: string, read: (response: Response) => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const value = await read(await once(url, accept));
      say(true);
      return value;
    } catch (error) {
      const status = error instanceof HttpError ? error.status : 0;
      // Once it is known that nobody answers, it is said at once.
      const wait = reachable ? WAITS_MS[attempt] : undefined;
      if (!isPassing(status) || wait === undefined) {
        if (isPassing(status)) say(false);
        throw error instanceof HttpError ? error : new HttpError(0);
      }
      await pause(wait);
    }
  }
}

export const getJson = <T>(url: string, accept = 'application/json'): Promise<T> =>
  patiently(url, accept, (response) => response.json() as Promise<T>);

/** Tells the server that the session is in use; `false` when it has ended. A line that fails says nothing of that. */
export const renewSession = (url: string): Promise<boolean> =>
  fetch(url, { method: 'HEAD', headers: { Accept: 'application/json' }, credentials: 'same-origin', cache: 'no-store' }).then(
    (response) => response.arrayBuffer().then(() => response.status !== 403),
  ).catch(() => true);

export interface Bytes {
  bytes: Uint8Array;
  contentType: string;
}

export const getBytes = (url: string, accept: string): Promise<Bytes> =>
  patiently(url, accept, async (response) => ({
    bytes: new Uint8Array(await response.arrayBuffer()),
    contentType: response.headers.get('Content-Type') ?? '',
  }));
