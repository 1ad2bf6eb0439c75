// Three planes through a volume over the panes, loaded on demand where there is a graphics processor.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Slice } from '../dicom/slice.ts';
import type { Planes } from '../engine/volume.ts';
import type { Exam, Preset } from '../exam.ts';
import { words } from '../words.ts';

interface VolumeProps {
  slices: Slice[];
  exam: Exam;
  presets: Preset[];
  onClose: () => void;
}

export function Volume({ slices, exam, presets, onClose }: VolumeProps) {
  const elements = [useRef<HTMLDivElement>(null), useRef<HTMLDivElement>(null), useRef<HTMLDivElement>(null)];
  const [state, setState] = useState<'loading' | 'shown' | 'failed'>('loading');
  const [loaded, setLoaded] = useState(0);
  const [attempt, setAttempt] = useState(0);
  const [mip, setMip] = useState(0);
  const planes = useRef<Planes | undefined>(undefined);
  const back = useRef<HTMLButtonElement>(null);
  // At once: the next key is meant for it.
  useLayoutEffect(() => back.current?.focus(), []);
  useEffect(() => {
    let gone = false;
    setState('loading');
    setLoaded(0);
    setMip(0);
    const begin = async () => {
      const { open } = await import('../engine/volume.ts');
      if (gone) return;
      planes.current = open(slices, elements.map((element) => element.current!), (count) => !gone && setLoaded(count));
      await planes.current.ready;
      if (!gone) setState('shown');
    };
    begin().catch(() => !gone && setState('failed'));
    return () => {
      gone = true;
      planes.current?.close();
      planes.current = undefined;
    };
  }, [attempt]);
  useLayoutEffect(() => {
    const press = (event: KeyboardEvent) => event.key === 'Escape' && onClose();
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, [onClose]);
  const thicken = (millimetres: number) => {
    setMip(millimetres);
    planes.current?.slab(millimetres);
  };
  const isReady = state === 'shown';
  return (
    <div class="viewer volume" data-volume={state} data-loaded={loaded}>
      <header class="bar">
        <h1>
          <span class="who">{exam.name}</span> <span>{exam.person}</span>
        </h1>
        <p class="what">{words.mpr}</p>
        <nav class="ways">
          {presets.map((preset) => (
            <button key={preset.name} type="button" disabled={!isReady} onClick={() => planes.current?.window(preset.center, preset.width)}>
              {preset.name}
            </button>
          ))}
          {[0, 10, 30].map((size) => (
            <button key={size} type="button" disabled={!isReady} class={mip === size ? 'on' : ''} onClick={() => thicken(size)}>
              {size === 0 ? 'MPR' : `MIP ${size} mm`}
            </button>
          ))}
          <button type="button" data-way="back" ref={back} onClick={onClose}>
            {words.back}
          </button>
        </nav>
      </header>
      {state === 'loading' && (
        <p class="note" role="status">
          {words.waiting} {loaded} / {slices.length}
        </p>
      )}
      {state === 'failed' && (
        <div class="note failed" role="alert">
          <p>{loaded < slices.length ? words.failed : words.noVolume}</p>
          <button type="button" data-way="again" onClick={() => setAttempt(attempt + 1)}>
            {words.retry}
          </button>
        </div>
      )}
      <main class="panes planes">
        {elements.map((element, at) => (
          <div key={at} class="pane">
            <div class="image" ref={element} />
          </div>
        ))}
      </main>
    </div>
  );
}
