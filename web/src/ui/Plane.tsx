// One of the three planes: the picture, and what is written over it.

import type { Ref } from 'preact';
import type { PlaneView } from '../engine/volume.ts';
import { words } from '../words.ts';
import { Icon } from './icons.tsx';
import { whole } from './Pane.tsx';
import { Slider } from './Slider.tsx';

export type PlaneName = 'axial' | 'sagittal' | 'coronal';

interface PlaneProps {
  name: PlaneName;
  element: Ref<HTMLDivElement>;
  view: PlaneView | undefined;
  isActive: boolean;
  /** Whether it has the room of all three. */
  isLarge: boolean;
  onActivate: () => void;
  onLarge: () => void;
  onLeaf: (index: number) => void;
}

export function Plane({ name, element, view, isActive, isLarge, onActivate, onLarge, onLeaf }: PlaneProps) {
  const place = view ? `${view.index + 1} / ${view.count}` : '';
  return (
    <div
      class={`pane plane${isActive ? ' active' : ''}${isLarge ? ' large' : ''}`}
      data-plane={name}
      data-active={isActive}
      data-index={view?.index ?? ''}
      data-count={view?.count ?? ''}
      data-place={view?.place ?? ''}
      data-sides={view?.sides.join(' ') ?? ''}
      data-scale={view?.perMillimetre.toFixed(4) ?? ''}
      data-width={view ? whole(view.width) : ''}
      data-center={view ? whole(view.center) : ''}
      role="group"
      tabIndex={0}
      aria-label={`${words[name]} ${place} ${view?.place ?? ''}`}
      onPointerDown={onActivate}
      onFocus={onActivate}
      onDblClick={onLarge}
    >
      <div class="image" ref={element} />
      {view && <Lines name={name} at={view.cross} />}
      {view && <Written name={name} view={view} place={place} />}
      {view && view.count > 1 && <Slider index={view.index} count={view.count} loaded={view.count} label={`${words[name]} ${words.slider}`} onMove={onLeaf} />}
      {view && (
        <button type="button" class="enlarge" data-way={`large-${name}`} aria-pressed={isLarge} aria-label={`${words[name]} ${words.enlarge}`} title={words.enlarge} onClick={onLarge} onDblClick={(event) => event.stopPropagation()}>
          <Icon name="full" />
        </button>
      )}
    </div>
  );
}

function Written({ name, view, place }: { name: PlaneName; view: PlaneView; place: string }) {
  const [right, left, lower, upper] = view.sides;
  return (
    <div class="words" aria-hidden="true">
      <div class={`corner tl ${name}`}>{words[name]}</div>
      <div class="corner bl">
        <div>{place}</div>
        {view.place && <div>{`${words.position} ${view.place}`}</div>}
        <div class="window">{`WW ${whole(view.width)}  WL ${whole(view.center)}`}</div>
      </div>
      <b class="letter at-right">{right}</b>
      <b class="letter at-left">{left}</b>
      <b class="letter at-bottom">{lower}</b>
      <b class="letter at-top">{upper}</b>
      <Scale perMillimetre={view.perMillimetre} />
    </div>
  );
}

/** Which planes the upright and the level line stand for. */
const LINES: Record<PlaneName, [PlaneName, PlaneName]> = { axial: ['sagittal', 'coronal'], sagittal: ['coronal', 'axial'], coronal: ['sagittal', 'axial'] };
/** CSS pixels that are left free around the point itself. */
const GAP = 14;

function Lines({ name, at: [x, y] }: { name: PlaneName; at: [number, number] }) {
  const [upright, level] = LINES[name];
  return (
    <svg class="lines" aria-hidden="true">
      <path class={upright} d={`M${x} -9999V${y - GAP}M${x} ${y + GAP}V9999`} />
      <path class={level} d={`M-9999 ${y}H${x - GAP}M${x + GAP} ${y}H9999`} />
    </svg>
  );
}

const STEPS = [1, 2, 5, 10, 20, 50, 100];
/** CSS pixels that a bar has at most. */
const LONGEST = 90;

function Scale({ perMillimetre }: { perMillimetre: number }) {
  const length = STEPS.filter((step) => step * perMillimetre < LONGEST).pop();
  if (!length) return null;
  return (
    <div class="scale" style={{ width: `${length * perMillimetre}px` }}>
      <span>{length >= 10 ? `${length / 10} cm` : `${length} mm`}</span>
    </div>
  );
}
