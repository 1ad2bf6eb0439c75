// While somebody works the session stays awake: images that were fetched ahead ask the server for nothing, and a session of
// which it hears nothing for a while ends.

import { useEffect, useRef } from 'preact/hooks';
import { renewSession } from '../net.ts';

/** So often at most the server is told, however much is done. */
const EVERY_MS = 5 * 60_000;
const SIGNS = ['pointerdown', 'pointermove', 'wheel', 'keydown'] as const;

/** `url`: what is small and belongs to the session. */
export function usePresence(url: string, onEnded: () => void): void {
  const latest = useRef(onEnded);
  latest.current = onEnded;
  useEffect(() => {
    let last = Date.now();
    const note = () => {
      const now = Date.now();
      // A clock that was set back is no reason to wait.
      if (now >= last && now - last < EVERY_MS) return;
      last = now;
      void renewSession(url).then((isAlive) => isAlive || latest.current());
    };
    for (const sign of SIGNS) window.addEventListener(sign, note, { capture: true, passive: true });
    return () => SIGNS.forEach((sign) => window.removeEventListener(sign, note, { capture: true }));
  }, [url]);
}
