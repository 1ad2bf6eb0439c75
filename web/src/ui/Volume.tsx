// Three planes through a volume, loaded on demand where there is a graphics processor.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { Slice } from '../dicom/slice.ts';
import type { Exam, Preset } from '../exam.ts';
import { words } from '../words.ts';
import type { Engine } from './App.tsx';

interface VolumeProps {
  engine: Engine;
  slices: Slice[];
  exam: Exam;
  presets: Preset[];
  onClose: () => void;
}

type Planes = Awaited<ReturnType<typeof import('../engine/volume.ts')['open']>>;

export function Volume({ slices, exam, presets, onClose }: VolumeProps) {
  const elements = [useRef<HTMLDivElement>(null), useRef<HTMLDivElement>(null), useRef<HTMLDivElement>(null)];
  const [state, setState] = useState<'loading' | 'shown' | 'failed'>('loading');
  const [mip, setMip] = useState(0);
  const planes = useRef<Planes | undefined>(undefined);
  useEffect(() => {
    let gone = false;
    import('../engine/volume.ts')
      .then((module) => module.open(slices, elements.map((element) => element.current!)))
      .then(
        (opened) => {
          if (gone) return opened.close();
          planes.current = opened;
          setState('shown');
          return undefined;
        },
        () => setState('failed'),
      );
    return () => {
      gone = true;
      planes.current?.close();
    };
  }, []);
  const thicken = (millimetres: number) => {
    setMip(millimetres);
    planes.current?.slab(millimetres);
  };
  return (
    <div class="viewer volume" data-volume={state}>
      <header class="bar">
        <h1>
          <span class="who">{exam.name}</span> <span>{exam.person}</span>
        </h1>
        <p class="what">{words.mpr}</p>
        <nav class="ways">
          {presets.map((preset) => (
            <button key={preset.name} type="button" onClick={() => planes.current?.window(preset.center, preset.width)}>
              {preset.name}
            </button>
          ))}
          {[0, 10, 30].map((size) => (
            <button key={size} type="button" class={mip === size ? 'on' : ''} onClick={() => thicken(size)}>
              {size === 0 ? 'MPR' : `MIP ${size} mm`}
            </button>
          ))}
          <button type="button" data-way="back" onClick={onClose}>
            {words.back}
          </button>
        </nav>
      </header>
      {state !== 'shown' && <p class="note" role="status">{state === 'loading' ? `${words.waiting}…` : words.noVolume}</p>}
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
