// What Chromium 80 lacks of that which the engine calls: vtk.js copies its settings by `structuredClone` (Chromium 98).

const scope = globalThis as { structuredClone?: unknown };

/** Copies plain data: what vtk.js hands in holds nothing else. */
function copyOf<T>(value: T, known = new Map<unknown, unknown>()): T {
  if (typeof value !== 'object' || value === null) return value;
  const before = known.get(value);
  if (before) return before as T;
  const keep = <C>(copy: C): C => {
    known.set(value, copy);
    return copy;
  };
  const whole: unknown = value;
  if (whole instanceof Date) return keep(new Date(whole)) as T;
  if (whole instanceof ArrayBuffer) return keep(whole.slice(0)) as T;
  if (whole instanceof DataView) return keep(new DataView(whole.buffer.slice(whole.byteOffset, whole.byteOffset + whole.byteLength))) as T;
  if (ArrayBuffer.isView(whole)) return keep((whole as Uint8Array).slice()) as unknown as T;
  if (whole instanceof Map) {
    const copy = keep(new Map<unknown, unknown>());
    whole.forEach((one, key) => copy.set(copyOf(key, known), copyOf(one, known)));
    return copy as T;
  }
  if (whole instanceof Set) {
    const copy = keep(new Set<unknown>());
    whole.forEach((one) => copy.add(copyOf(one, known)));
    return copy as T;
  }
  const copy = keep((Array.isArray(whole) ? [] : {}) as Record<string, unknown>);
  for (const [key, one] of Object.entries(whole as Record<string, unknown>)) copy[key] = copyOf(one, known);
  return copy as T;
}

scope.structuredClone ??= <T>(value: T): T => copyOf(value);

export {};
