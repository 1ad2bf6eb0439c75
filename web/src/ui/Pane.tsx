// One window onto a stack: the image, what is written over it, its slider.

import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Exam, KeyImage, Series } from '../exam.ts';
import { number, text } from '../dicom/json.ts';
import type { PaneView } from '../engine/index.ts';
import type { Engine } from './App.tsx';
import { HttpError } from '../net.ts';
import { words } from '../words.ts';
import { Slider } from './Slider.tsx';

export interface PaneProps {
  id: string;
  engine: Engine;
  exam: Exam | undefined;
  series: Series | undefined;
  view: PaneView | undefined;
  /** A picture that stands here until the image does. */
  early: HTMLElement | undefined;
  isActive: boolean;
  keyImage: KeyImage | undefined;
  /** Address of the page that shows what this one cannot. */
  basic: string;
  overlay: boolean;
  ended: boolean;
  onView: (view: PaneView) => void;
  onActivate: () => void;
  onRetry: () => void;
  onDropSeries: (key: string) => void;
}

/** What is said when the line is down. */
const BROKEN = new HttpError(0).message;

export const whole = (value: number): string => String(Number(value.toFixed(Math.abs(value) < 10 ? 1 : 0)));

/** Lines of the four corners; also what a saved picture says. */
export function cornersOf(exam: Exam | undefined, series: Series | undefined, view: PaneView | undefined): Record<'tl' | 'tr' | 'bl' | 'br', string[]> {
  const data = view?.slice?.data;
  const thickness = number(data, '00180050');
  const place = number(data, '00201041');
  const lossy = text(data, '00282110') === '01';
  const window = view?.table ? view.table : view && !view.isColor && view.width > 0 ? `WW ${whole(view.width)}  WL ${whole(view.center)}` : '';
  const lines = {
    tl: [exam?.name ?? '', exam?.person ?? '', exam?.patientId ?? ''],
    tr: [exam?.organization ?? '', exam?.date ?? '', series ? `${series.number ?? ''} ${series.description || series.modality}` : ''],
    bl: [
      view && view.count > 0 ? `${view.index + 1} / ${view.count}` : '',
      window,
      view && view.zoom > 0 ? `${words.zoomed} ${Math.round(view.zoom * 100)}%${lossy ? '  JPEG' : ''}` : '',
    ],
    br: [
      thickness !== undefined ? `${words.thickness} ${Number(thickness.toFixed(2))} mm` : '',
      place !== undefined ? `${words.position} ${Number(place.toFixed(1))}` : '',
    ],
  };
  for (const corner of Object.values(lines)) corner.splice(0, corner.length, ...corner.filter((line) => line.trim() !== ''));
  return lines;
}

export function Pane(props: PaneProps) {
  const { id, engine, exam, series, view, early, isActive, keyImage, basic, overlay, ended } = props;
  const image = useRef<HTMLDivElement>(null);
  const marks = useRef<HTMLCanvasElement>(null);
  const probe = useRef<HTMLDivElement>(null);
  const latest = useRef(props);
  latest.current = props;
  // Before the page is painted: an image that is there already stands in its first frame, not in the one after.
  useLayoutEffect(() => {
    const element = image.current!;
    engine.attach(id, { element, marks: marks.current!, probe: probe.current! }, (next) => latest.current.onView(next));
    const menu = (event: Event) => event.preventDefault();
    element.addEventListener('contextmenu', menu);
    return () => engine.detach(id);
  }, [id, engine]);
  const place = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (early) place.current!.append(early);
  }, [early]);
  const corners = cornersOf(exam, series, view);
  const corner = (name: 'tl' | 'tr' | 'bl' | 'br') => (
    <div class={`corner ${name}`}>
      {corners[name].map((line) => (
        <div key={line}>{line}</div>
      ))}
    </div>
  );
  const isLarge = view?.error === 'large';
  const why = isLarge ? words.large : view?.error === 'none' ? words.noFrames : words.failed;
  // The other page needs the line as well.
  const hasOther = !ended && view?.error !== BROKEN;
  const label = `${words.viewport} ${series?.description ?? ''} ${view && view.count > 0 ? `${view.index + 1} / ${view.count}` : ''}`;
  return (
    <div
      class={`pane${isActive ? ' active' : ''}${!view || view.isBlank || view.state === 'failed' ? ' blank' : ''}`}
      data-pane={id}
      data-state={view?.state ?? 'empty'}
      data-index={view?.index ?? 0}
      data-count={view?.count ?? 0}
      data-loaded={view?.loaded ?? 0}
      data-width={view ? whole(view.width) : ''}
      data-center={view ? whole(view.center) : ''}
      data-zoom={view?.zoom.toFixed(3) ?? ''}
      data-table={view?.table ?? ''}
      data-inverted={String(view?.isInverted ?? false)}
      data-presentation={view?.presentation ?? ''}
      data-sides={view?.sides ?? ''}
      data-series={series?.series ?? ''}
      role="group"
      tabIndex={0}
      aria-label={label}
      onPointerDown={props.onActivate}
      onFocus={props.onActivate}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        props.onDropSeries(event.dataTransfer?.getData('text/plain') ?? '');
      }}
    >
      <div class="image" ref={image} />
      {early && <div class="early" ref={place} />}
      <canvas class="marks" ref={marks} />
      {overlay && view && view.count > 0 && (
        <div class="words" aria-hidden="true">
          {corner('tl')}
          {corner('tr')}
          {corner('bl')}
          {corner('br')}
        </div>
      )}
      <div class="probe" ref={probe} aria-hidden="true" hidden={!overlay || view?.state !== 'shown'} />
      {keyImage && (
        <div class="key-mark" data-key={keyImage.instance}>
          ★ {[keyImage.title || words.keys, keyImage.description].filter(Boolean).join(' · ')}
        </div>
      )}
      {view && view.count > 1 && <Slider index={view.index} count={view.count} loaded={view.loaded} label={words.slider} onMove={(index) => engine.go(id, index)} />}
      {view?.state === 'loading' && <div class="note" role="status">{words.loading}…</div>}
      {view?.state === 'failed' && (
        <div class="note failed" role="alert">
          <p>{ended ? words.ended : why}</p>
          {hasOther && (
            <a class="link" href={basic}>
              {words.basic}
            </a>
          )}
          {!ended && !isLarge && (
            <button type="button" onClick={props.onRetry}>
              {words.retry}
            </button>
          )}
        </div>
      )}
      {(!view || view.state === 'empty') && <div class="note soft">{words.chooseSeries}</div>}
    </div>
  );
}
