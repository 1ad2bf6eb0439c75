// The viewer: patient line, tools, series, panes.

import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { covers, type Presentation } from '../dicom/presentation.ts';
import { type Description, hasReport, isShown, type KeyImage, seriesUrl, type Series, type Shelf } from '../exam.ts';
import type { Chosen, Mouse, PaneView, ToolName, Turn } from '../engine/index.ts';
import { HttpError, tryConnection, watchConnection } from '../net.ts';
import { stackOf, statesOf } from '../stacks.ts';
import { words } from '../words.ts';
import { Bar } from './Bar.tsx';
import { firstShelf, neighbour } from './hanging.ts';
import { useKeys } from './keyboard.ts';
import { cornersOf, Pane } from './Pane.tsx';
import { printPicture, savePicture } from './paper.ts';
import { Help, Report, Tags } from './Panels.tsx';
import { usePresence } from './presence.ts';
import { offersOf } from './presets.ts';
import { keyOf, Strip } from './Strip.tsx';
import { LAYOUTS, type Panel, Toolbar } from './Toolbar.tsx';
import { Volume } from './Volume.tsx';

export type Engine = typeof import('../engine/index.ts');

export interface AppProps {
  description: Description;
  engine: Engine;
  /** The first image as the server drew it. */
  picture: HTMLElement | undefined;
}

const IDS = ['1', '2', '3', '4'];
/** What the server says when the session is over. */
const ENDED = new HttpError(403).message;
/** So wide must the page be for the report to stand beside the images from the start. */
const ROOM_FOR_REPORT = 1200;
const isTouch = window.matchMedia('(pointer: coarse)').matches;

export function App({ description, engine, picture }: AppProps) {
  const { links } = description;
  const [layout, setLayout] = useState('1×1');
  const [shelves, setShelves] = useState<Record<string, Shelf | undefined>>(() => ({ '1': firstShelf(description) }));
  const [views, setViews] = useState<Record<string, PaneView | undefined>>({});
  const [active, setActive] = useState('1');
  const [tool, setTool] = useState<ToolName>(isTouch ? 'scroll' : engine.mouse().left);
  const [mouse, setMouse] = useState(engine.mouse);
  const [panel, setPanel] = useState<Panel>(() => (hasReport(description) && window.innerWidth >= ROOM_FOR_REPORT ? 'report' : ''));
  const [flags, setFlags] = useState({ overlay: true, lines: true, linked: false });
  const [speed, setSpeed] = useState(10);
  const [playing, setPlaying] = useState(false);
  const [priors, setPriors] = useState(new Map<string, Description>());
  const [states, setStates] = useState<Presentation[]>([]);
  const [epoch, setEpoch] = useState(0);
  const [online, setOnline] = useState(true);
  const wasOffline = useRef(false);
  const [ended, setEnded] = useState(false);
  const [volume, setVolume] = useState(false);
  /** What has been done by keys, for those who do not see it. */
  const [said, setSaid] = useState('');
  const panes = useRef<HTMLDivElement>(null);
  const [early, setEarly] = useState(picture);

  const [, rows, columns] = LAYOUTS.find(([name]) => name === layout)!;
  const ids = IDS.slice(0, rows * columns);
  const view = views[active];
  const shelf = shelves[active];

  const described = (of: Shelf | undefined): Description => (of && priors.get(of.exam.uid)) || description;
  const again = (id: string) => (views[id]?.count ? engine.retry(id) : shelves[id] && void put(id, shelves[id]));
  const asked = useRef<Record<string, Shelf>>({});
  const put = useCallback(
    async (id: string, next: Shelf, index = 0) => {
      setShelves((before) => ({ ...before, [id]: next }));
      setPlaying(false);
      engine.clear(id, 'loading');
      const isWanted = () => asked.current[id] === next;
      asked.current[id] = next;
      try {
        const slices = await stackOf(links.dicomweb, next.series);
        // Another one was chosen in the meantime.
        if (isWanted()) await engine.show(id, slices, index);
      } catch (error) {
        if (error instanceof HttpError && error.status === 403) setEnded(true);
        if (isWanted()) engine.clear(id, 'failed', error instanceof Error ? error.message : '');
      }
    },
    [engine, links.dicomweb],
  );

  // At once: the next key may be meant for it.
  useLayoutEffect(() => engine.choose(tool), [engine, tool, mouse]);
  useLayoutEffect(() => engine.setActive(active), [engine, active]);
  useLayoutEffect(() => {
    Object.assign(engine.options, flags);
    engine.redraw();
  }, [engine, flags]);
  // It stands in for the first image, and for no other.
  const stood = views['1'];
  const isEarly = stood?.state !== 'shown' && stood?.state !== 'failed' && (stood?.index ?? 0) === 0 && shelves['1']?.series === firstShelf(description)?.series;
  useLayoutEffect(() => {
    if (!isEarly) setEarly(undefined);
  }, [isEarly]);
  useEffect(() => watchConnection(setOnline), []);
  usePresence(`${links.dicomweb}/`, () => setEnded(true));
  // What failed while the line was down comes by itself when it is up again.
  useEffect(() => {
    if (!online) wasOffline.current = true;
    if (!online || !wasOffline.current) return;
    setEpoch((before) => before + 1);
    for (const id of ids) if (views[id]?.state === 'failed') again(id);
  }, [online]);
  useEffect(() => {
    // While the browser prints they have no size, and keep what they had.
    const observer = new ResizeObserver(([entry]) => entry && entry.contentRect.width > 0 && engine.resize());
    observer.observe(panes.current!);
    return () => observer.disconnect();
  }, [engine]);
  // The first image goes before them.
  const hasImage = view?.state === 'shown';
  const hasSeen = useRef(false);
  hasSeen.current ||= hasImage || view?.state === 'failed' || !shelf;
  useEffect(() => {
    if (hasImage) statesOf(described(shelf)).then((found) => setStates((before) => [...new Set([...before, ...found])]), () => undefined);
  }, [hasImage, shelf?.exam]);
  // New panes take the series that follow; those that are there keep theirs. As soon as they are attached, before they are painted.
  useLayoutEffect(() => {
    engine.resize();
    let last: Shelf | undefined;
    for (const id of ids) {
      const next: Shelf | undefined = shelves[id] ?? (last && neighbour(description, last, 1)) ?? firstShelf(description);
      last = next;
      if (next && !views[id]) void put(id, next);
    }
    if (!ids.includes(active)) setActive('1');
    setViews((before) => Object.fromEntries(Object.entries(before).filter(([id]) => ids.includes(id))));
  }, [layout]);
  useEffect(() => {
    if (!playing) return undefined;
    const timer = window.setInterval(() => {
      const now = latest.current;
      if (!now || now.count < 2 || now.state === 'loading') return;
      engine.go(active, (now.index + 1) % now.count);
    }, 1000 / speed);
    return () => window.clearInterval(timer);
  }, [engine, playing, speed, active]);

  const latest = useRef(view);
  latest.current = view;

  const offers = useMemo(() => offersOf(shelf?.series.modality, description.presets, view), [description, shelf, view?.slice, view?.isColor, view?.table]);
  const keepMouse = (next: Mouse | undefined) => {
    engine.keepMouse(next);
    setMouse(engine.mouse());
    if (engine.mouse().left !== mouse.left) setTool(engine.mouse().left);
  };
  const turn = (how: Turn) => engine.turn(active, how);
  const setWindow = (window: Chosen | undefined) => engine.setWindow(active, window);
  const move = (by: 1 | -1) => {
    const next = shelf && neighbour(description, shelf, by);
    if (next) void put(active, next);
  };
  const keys = described(shelf).keys;
  const keyOn = (slice: PaneView['slice']): KeyImage | undefined =>
    slice && [description, ...priors.values()].flatMap((one) => one.keys).find((key) => key.instance === slice.instanceUid && (key.frames.length === 0 || key.frames.includes(slice.frame)));
  /** The next image that somebody has marked: in the order in which they were marked, through all series. */
  const nextKey = () => {
    if (keys.length === 0) return;
    const shown = view?.slice && keyOn(view.slice);
    const next = keys[(shown ? keys.indexOf(shown) + 1 : 0) % keys.length]!;
    const isNext = (slice: PaneView['slice']) => slice !== undefined && slice.instanceUid === next.instance && (next.frames.length === 0 || slice.frame === next.frames[0]);
    const series = described(shelf).series.find((one) => one.series === next.series && isShown(one));
    if (!series || !shelf) return;
    stackOf(links.dicomweb, series).then(
      (slices) => {
        const at = Math.max(0, slices.findIndex(isNext));
        if (series.series === shelf.series.series) engine.go(active, at);
        else void put(active, { exam: shelf.exam, series }, at);
      },
      () => undefined,
    );
  };
  const shownStates = useMemo(() => {
    const here = states.filter((state) => shelf && Array.from({ length: view?.count ?? 0 }, (_, at) => engine.sliceIn(active, at)).some((slice) => slice && covers(state.images, slice.instanceUid, slice.frame)));
    return here;
  }, [states, active, shelf, view?.count]);
  const erase = () => {
    const images = new Set<string>();
    for (let at = 0; view && at < view.count; at += 1) images.add(engine.sliceIn(active, at)?.imageId ?? '');
    engine.clearMeasurements(images);
    engine.redraw();
  };
  const onPaper = async (then: (canvas: HTMLCanvasElement, name: string) => void) => {
    const { tl, tr, bl } = cornersOf(shelf?.exam, shelf?.series, view);
    const canvas = await engine.picture(active, flags.overlay ? [...tl, ...tr, ...bl] : []);
    if (canvas) then(canvas, `${shelf?.series.modality ?? 'image'}-${(view?.index ?? 0) + 1}`);
  };
  const toggle = (what: keyof typeof flags) => setFlags((before) => ({ ...before, [what]: !before[what] }));

  useKeys({
    point: (key, isSmall) => {
      const points = engine.pressPoint(active, key, isSmall);
      setSaid(points ? `${words[tool]} ${words.points} ${points.set} / ${points.of}` : '');
      return points !== undefined;
    },
    step: (by) => engine.step(active, by),
    nudge: (right, down) => engine.nudge(active, right, down),
    end: (last) => engine.go(active, last ? Number.MAX_SAFE_INTEGER : 0),
    series: move,
    preset: (at) => (at === 0 ? setWindow(undefined) : offers[at - 1] && setWindow(offers[at - 1]!.chosen)),
    tool: setTool,
    turn,
    play: () => setPlaying(!playing && (view?.count ?? 0) > 1),
    key: nextKey,
    overlay: () => toggle('overlay'),
    remove: () => {
      engine.clearSelected();
      engine.redraw();
    },
  }, volume);

  const volumeSlices = useMemo(() => {
    if (!view || view.count < 4) return undefined;
    const all = Array.from({ length: view.count }, (_, at) => engine.sliceIn(active, at)!);
    return all.every(Boolean) && engine.isVolume(all) ? all : undefined;
  }, [engine, active, shelf, view?.count]);

  // What the planes went through is gone.
  useEffect(() => {
    if (!volumeSlices) setVolume(false);
  }, [volumeSlices]);
  const openVolume = () => {
    setPlaying(false);
    setVolume(true);
  };
  const closeVolume = useCallback(() => {
    setVolume(false);
    // As soon as it can be seen again.
    requestAnimationFrame(() => document.querySelector<HTMLElement>('[data-tool="mpr"]')?.focus());
  }, []);
  const shownSeries = new Set(ids.map((id) => shelves[id]).filter((one): one is Shelf => one !== undefined).map((one) => keyOf(one.series)));
  const find = (key: string): Shelf | undefined => {
    const all: Shelf[] = [description, ...priors.values()].flatMap((one) => one.series.map((series: Series) => ({ exam: one.exam, series })));
    return all.find((one) => keyOf(one.series) === key);
  };
  const looked = described(shelf);
  const panesView = (
    <div class={`viewer${volume && volumeSlices ? ' behind' : ''}`} data-renderer={engine.rendererInUse()}>
      <Bar description={description} hasReport={hasReport(looked) || hasReport(description)} panel={panel} onPanel={setPanel} download={shelf && description.download ? downloadOf(links.dicomweb, shelf.series) : undefined} />
      {!online && !ended && (
        <p class="banner" role="alert" data-offline="">
          {words.offline}{' '}
          <button type="button" class="link" onClick={tryConnection}>
            {words.again}
          </button>
        </p>
      )}
      <p class="unseen" role="status">
        {said || playing || !view || view.count === 0 ? said : `${words.viewport} ${active} · ${view.index + 1} / ${view.count} · ${words[tool]}`}
      </p>
      {ended && <p class="banner bad" role="alert">{words.ended}</p>}
      <section class="tools" aria-label={words.tools}>
        <Toolbar
          tool={tool}
          offers={offers}
          layout={layout}
          {...flags}
          playing={playing}
          speed={speed}
          canPlay={(view?.count ?? 0) > 1}
          hasKeys={keys.length > 0}
          states={shownStates}
          state={view?.presentation ?? ''}
          renderer={engine.rendererInUse()}
          hasGraphics={engine.graphics() !== 'none'}
          hasVolume={volumeSlices !== undefined && engine.rendererInUse() === 'gpu'}
          maySave={description.download}
          mayPrint={description.print}
          panel={panel}
          onTool={setTool}
          onTurn={turn}
          onPreset={setWindow}
          onLayout={setLayout}
          onToggle={toggle}
          onPlay={() => setPlaying(!playing)}
          onSpeed={setSpeed}
          onErase={erase}
          onKey={nextKey}
          onState={(state) => engine.present(active, state)}
          onRenderer={() => engine.switchRenderer(engine.rendererInUse() === 'gpu' ? 'cpu' : 'gpu')}
          onVolume={openVolume}
          onSave={() => void onPaper(savePicture)}
          onPrint={() => void onPaper(printPicture)}
          onPanel={setPanel}
        />
      </section>
      <div class="body">
        <Strip
          description={description}
          shown={shownSeries}
          current={shelf ? keyOf(shelf.series) : ''}
          priors={priors}
          epoch={epoch}
          onChoose={(next) => void put(active, next)}
          onPrior={(read) => setPriors(new Map(priors).set(read.exam.uid, read))}
        />
        <main class={`panes rows-${rows} columns-${columns}`} ref={panes}>
          {description.series.every((series) => !isShown(series)) && <p class="note">{words.none}</p>}
          {ids.map((id) => (
            <Pane
              key={id}
              id={id}
              engine={engine}
              exam={shelves[id]?.exam}
              series={shelves[id]?.series}
              early={id === '1' && isEarly ? early : undefined}
              view={views[id]}
              isActive={id === active && ids.length > 1}
              keyImage={keyOn(views[id]?.slice)}
              basic={links.basic}
              overlay={flags.overlay}
              ended={ended}
              onView={(next) => {
                if (next.error === ENDED) setEnded(true);
                setViews((before) => ({ ...before, [id]: next }));
              }}
              onActivate={() => setActive(id)}
              onRetry={() => again(id)}
              onDropSeries={(key) => {
                const dropped = find(key);
                if (dropped) void put(id, dropped);
                setActive(id);
              }}
            />
          ))}
        </main>
        {panel === 'report' && <Report description={looked} takesPictures={hasSeen.current} onClose={() => setPanel('')} />}
        {panel === 'tags' && view?.slice && <Tags data={view.slice.data} onClose={() => setPanel('')} />}
        {panel === 'help' && <Help mouse={mouse} choices={engine.CHOICES} onMouse={keepMouse} onClose={() => setPanel('')} />}
      </div>
    </div>
  );
  return (
    <>
      {panesView}
      {volume && volumeSlices && <Volume slices={volumeSlices} exam={shelf!.exam} offers={offers} onClose={closeVolume} />}
    </>
  );
}

const downloadOf = (root: string, series: Series): string => `${seriesUrl(root, series)}?accept=application/zip`;
