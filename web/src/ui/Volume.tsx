// Three planes through a volume over the panes, loaded on demand where there is a graphics processor.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Slice } from '../dicom/slice.ts';
import type { Chosen } from '../engine/window.ts';
import type { Planes, PlaneTool, PlaneView } from '../engine/volume.ts';
import type { Exam } from '../exam.ts';
import { words } from '../words.ts';
import { Icon } from './icons.tsx';
import { Menu } from './Menu.tsx';
import { PlaneHelp } from './Panels.tsx';
import { Plane, type PlaneName } from './Plane.tsx';
import { usePlaneKeys } from './planekeys.ts';
import { choicesOf, type Offer } from './presets.ts';

interface VolumeProps {
  slices: Slice[];
  exam: Exam;
  offers: Offer[];
  onClose: () => void;
}

const NAMES: PlaneName[] = ['axial', 'sagittal', 'coronal'];
const TOOLS: PlaneTool[] = ['cross', 'window', 'scroll', 'pan', 'zoom', 'length'];
/** Millimetres of a maximum intensity projection; 0 is a plain slice. */
const SLABS = [0, 10, 30];

export function Volume({ slices, exam, offers, onClose }: VolumeProps) {
  const elements = [useRef<HTMLDivElement>(null), useRef<HTMLDivElement>(null), useRef<HTMLDivElement>(null)];
  const [state, setState] = useState<'loading' | 'shown' | 'failed'>('loading');
  const [loaded, setLoaded] = useState(0);
  const [attempt, setAttempt] = useState(0);
  const [views, setViews] = useState<Record<number, PlaneView>>({});
  const [tool, setTool] = useState<PlaneTool>('cross');
  const [slab, setSlab] = useState(0);
  const [active, setActive] = useState(0);
  const [large, setLarge] = useState<number | undefined>(undefined);
  const [help, setHelp] = useState(false);
  const planes = useRef<Planes | undefined>(undefined);
  const back = useRef<HTMLButtonElement>(null);
  // At once: the next key is meant for it.
  useLayoutEffect(() => back.current?.focus(), []);
  useEffect(() => {
    let gone = false;
    setState('loading');
    setLoaded(0);
    setViews({});
    setSlab(0);
    setTool('cross');
    const begin = async () => {
      const { open } = await import('../engine/volume.ts');
      if (gone) return;
      planes.current = open(slices, elements.map((element) => element.current!), {
        onProgress: (count) => !gone && setLoaded(count),
        onView: (plane, view) => !gone && setViews((before) => ({ ...before, [plane]: view })),
      });
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
  const isReady = state === 'shown';
  const choose = (next: PlaneTool) => {
    setTool(next);
    planes.current?.choose(next);
  };
  const thicken = (millimetres: number) => {
    setSlab(millimetres);
    planes.current?.slab(millimetres);
  };
  const setWindow = (window: Chosen | undefined) => planes.current?.window(window);
  const view = views[active];
  const nudge = (wider: number, higher: number) => {
    if (!view) return;
    const step = Math.max(1, Math.round(view.width / 20));
    setWindow({ center: view.center + higher * step, width: Math.max(1, view.width + wider * step) });
  };
  const goTo = (plane: number) => {
    setActive(plane);
    if (large !== undefined) setLarge(plane);
    elements[plane]!.current?.parentElement?.focus();
  };
  const enlarge = (plane: number) => setLarge(large === plane ? undefined : plane);
  usePlaneKeys({
    step: (by) => planes.current?.leaf(active, (index) => index + by),
    end: (last) => planes.current?.leaf(active, () => (last ? Number.MAX_SAFE_INTEGER : 0)),
    plane: (by) => goTo((active + by + NAMES.length) % NAMES.length),
    window: nudge,
    preset: (at) => (at === 0 ? setWindow(undefined) : offers[at - 1] && setWindow(offers[at - 1]!.chosen)),
    tool: (next) => isReady && choose(next),
    zoom: (times) => planes.current?.zoom(active, times),
    fit: () => planes.current?.fit(),
    large: () => enlarge(active),
    thick: () => isReady && thicken(SLABS[(SLABS.indexOf(slab) + 1) % SLABS.length]!),
    remove: () => planes.current?.erase('chosen'),
    leave: onClose,
  });
  const button = (name: string, label: string, act: () => void, pressed?: boolean) => (
    <button type="button" class={`tool${pressed ? ' on' : ''}`} data-plane-tool={name} aria-pressed={pressed} title={label} disabled={!isReady} onClick={act}>
      <Icon name={name} />
      <span>{label}</span>
    </button>
  );
  return (
    <div class="viewer volume" data-volume={state} data-loaded={loaded} data-slab={slab}>
      <header class="bar">
        <h1>
          <span class="who">{exam.name}</span> <span>{exam.person}</span>
        </h1>
        <p class="what">{words.mpr}</p>
        <nav class="ways">
          {SLABS.map((size) => (
            <button key={size} type="button" disabled={!isReady} class={slab === size ? 'on' : ''} aria-pressed={slab === size} onClick={() => thicken(size)}>
              {size === 0 ? 'MPR' : `MIP ${size} mm`}
            </button>
          ))}
          <button type="button" data-way="back" ref={back} onClick={onClose}>
            {words.back}
          </button>
        </nav>
      </header>
      <p class="unseen" role="status">
        {view ? `${words[NAMES[active]!]} · ${view.index + 1} / ${view.count} · ${view.place} · ${words[tool]}` : ''}
      </p>
      <section class="tools" aria-label={words.tools}>
        <div class="toolbar" role="toolbar" aria-label={words.tools}>
          {TOOLS.map((name) => button(name, words[name], () => choose(name), tool === name))}
          {button('erase', words.erase, () => planes.current?.erase('all'))}
          <span class="gap" />
          {offers.length > 0 && <Menu name="presets" label={words.presets} choices={choicesOf(offers, setWindow)} isDisabled={!isReady} />}
          {button('fit', words.fit, () => planes.current?.fit())}
          {button('help', words.help, () => setHelp(!help), help)}
        </div>
      </section>
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
      <div class="body">
        <main class="panes planes">
          {NAMES.map((name, at) => (
            <Plane
              key={name}
              name={name}
              element={elements[at]!}
              view={views[at]}
              isActive={isReady && active === at}
              isLarge={large === at}
              onActivate={() => setActive(at)}
              onLarge={() => enlarge(at)}
              onLeaf={(index) => planes.current?.leaf(at, () => index)}
            />
          ))}
        </main>
        {help && <PlaneHelp onClose={() => setHelp(false)} />}
      </div>
    </div>
  );
}
