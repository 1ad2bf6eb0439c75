// The viewer: patient line, tools, series, panes.

import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type Description, isShown, seriesUrl, type Series, type Shelf } from '../exam.ts';
import type { PaneView, ToolName, Turn } from '../engine/index.ts';
import { HttpError, watchConnection } from '../net.ts';
import { keyInstances, stackOf } from '../stacks.ts';
import { words } from '../words.ts';
import { Bar } from './Bar.tsx';
import { firstShelf, neighbour } from './hanging.ts';
import { useKeys } from './keyboard.ts';
import { cornersOf, Pane } from './Pane.tsx';
import { printPicture, savePicture } from './paper.ts';
import { Help, Report, Tags } from './Panels.tsx';
import { keyOf, Strip } from './Strip.tsx';
import { LAYOUTS, type Panel, Toolbar } from './Toolbar.tsx';
import { Volume } from './Volume.tsx';

export type Engine = typeof import('../engine/index.ts');

export interface AppProps {
  description: Description;
  engine: Engine;
}

const IDS = ['1', '2', '3', '4'];
/** What the server says when the session is over. */
const ENDED = new HttpError(403).message;
const isTouch = window.matchMedia('(pointer: coarse)').matches;

export function App({ description, engine }: AppProps) {
  const { links } = description;
  const [layout, setLayout] = useState('1×1');
  const [shelves, setShelves] = useState<Record<string, Shelf | undefined>>(() => ({ '1': firstShelf(description) }));
  const [views, setViews] = useState<Record<string, PaneView | undefined>>({});
  const [active, setActive] = useState('1');
  const [tool, setTool] = useState<ToolName>(isTouch ? 'scroll' : 'window');
  const [panel, setPanel] = useState<Panel>('');
  const [flags, setFlags] = useState({ overlay: true, lines: true, linked: false });
  const [speed, setSpeed] = useState(10);
  const [playing, setPlaying] = useState(false);
  const [priors, setPriors] = useState(new Map<string, Description>());
  const [keys, setKeys] = useState(new Set<string>());
  const [online, setOnline] = useState(true);
  const [ended, setEnded] = useState(false);
  const [volume, setVolume] = useState(false);
  const panes = useRef<HTMLDivElement>(null);

  const [, rows, columns] = LAYOUTS.find(([name]) => name === layout)!;
  const ids = IDS.slice(0, rows * columns);
  const view = views[active];
  const shelf = shelves[active];

  const put = useCallback(
    async (id: string, next: Shelf, index = 0) => {
      setShelves((before) => ({ ...before, [id]: next }));
      setPlaying(false);
      try {
        await engine.show(id, await stackOf(links.dicomweb, next.series), index);
      } catch (error) {
        if (error instanceof HttpError && error.status === 403) setEnded(true);
        const failed: PaneView = { ...engine.EMPTY, state: 'failed' };
        setViews((before) => ({ ...before, [id]: failed }));
      }
    },
    [engine, links.dicomweb],
  );

  useEffect(() => engine.choose(tool), [engine, tool]);
  useEffect(() => engine.setActive(active), [engine, active]);
  useEffect(() => {
    Object.assign(engine.options, flags);
    engine.redraw();
  }, [engine, flags]);
  useEffect(() => watchConnection(setOnline), []);
  useEffect(() => {
    const observer = new ResizeObserver(() => engine.resize());
    observer.observe(panes.current!);
    return () => observer.disconnect();
  }, [engine]);
  useEffect(() => {
    keyInstances(description).then(setKeys, () => undefined);
  }, [description]);
  // New panes take the series that follow; those that are there keep theirs.
  useEffect(() => {
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

  const presets = useMemo(() => description.presets.filter((preset) => preset.modality === shelf?.series.modality), [description, shelf]);
  const turn = (how: Turn) => engine.turn(active, how);
  const setWindow = (window: { center: number; width: number } | undefined) => engine.setWindow(active, window);
  const move = (by: 1 | -1) => {
    const next = shelf && neighbour(description, shelf, by);
    if (next) void put(active, next);
  };
  const nextKey = () => {
    if (!view) return;
    for (let by = 1; by <= view.count; by += 1) {
      const at = (view.index + by) % view.count;
      if (keys.has(engine.sliceIn(active, at)?.instanceUid ?? '')) return engine.go(active, at);
    }
  };
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
    step: (by) => engine.step(active, by),
    end: (last) => engine.go(active, last ? Number.MAX_SAFE_INTEGER : 0),
    series: move,
    preset: (at) => (at === 0 ? setWindow(undefined) : presets[at - 1] && setWindow(presets[at - 1])),
    tool: setTool,
    turn,
    play: () => setPlaying(!playing && (view?.count ?? 0) > 1),
    key: nextKey,
    overlay: () => toggle('overlay'),
    remove: () => {
      engine.clearSelected();
      engine.redraw();
    },
  });

  const volumeSlices = useMemo(() => {
    if (!view || view.count < 4) return undefined;
    const all = Array.from({ length: view.count }, (_, at) => engine.sliceIn(active, at)!);
    return all.every(Boolean) && engine.isVolume(all) ? all : undefined;
  }, [engine, active, shelf, view?.count]);

  if (volume && volumeSlices) {
    return <Volume engine={engine} slices={volumeSlices} exam={shelf!.exam} presets={presets} onClose={() => setVolume(false)} />;
  }
  const shownSeries = new Set(ids.map((id) => shelves[id]).filter((one): one is Shelf => one !== undefined).map((one) => keyOf(one.series)));
  const find = (key: string): Shelf | undefined => {
    const all: Shelf[] = [description, ...priors.values()].flatMap((one) => one.series.map((series: Series) => ({ exam: one.exam, series })));
    return all.find((one) => keyOf(one.series) === key);
  };
  return (
    <div class="viewer" data-renderer={engine.rendererInUse()}>
      <Bar description={description} panel={panel} onPanel={setPanel} download={shelf && description.download ? downloadOf(links.dicomweb, shelf.series) : undefined} />
      {!online && !ended && <p class="banner" role="status">{words.offline}</p>}
      {ended && <p class="banner bad" role="alert">{words.ended}</p>}
      <Toolbar
        tool={tool}
        presets={presets}
        layout={layout}
        {...flags}
        playing={playing}
        speed={speed}
        canPlay={(view?.count ?? 0) > 1}
        hasKeys={keys.size > 0}
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
        onVolume={() => setVolume(true)}
        onSave={() => void onPaper(savePicture)}
        onPrint={() => void onPaper(printPicture)}
        onPanel={setPanel}
      />
      <div class="body">
        <Strip
          description={description}
          shown={shownSeries}
          current={shelf ? keyOf(shelf.series) : ''}
          priors={priors}
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
              view={views[id]}
              isActive={id === active && ids.length > 1}
              isKey={keys.has(views[id]?.slice?.instanceUid ?? '')}
              overlay={flags.overlay}
              ended={ended}
              onView={(next) => {
                if (next.error === ENDED) setEnded(true);
                setViews((before) => ({ ...before, [id]: next }));
              }}
              onActivate={() => setActive(id)}
              onRetry={() => (views[id]?.count ? engine.retry(id) : shelves[id] && void put(id, shelves[id]))}
              onDropSeries={(key) => {
                const dropped = find(key);
                if (dropped) void put(id, dropped);
                setActive(id);
              }}
            />
          ))}
        </main>
        {panel === 'report' && <Report sections={description.report} onClose={() => setPanel('')} />}
        {panel === 'tags' && view?.slice && <Tags data={view.slice.data} onClose={() => setPanel('')} />}
        {panel === 'help' && <Help onClose={() => setPanel('')} />}
      </div>
    </div>
  );
}

const downloadOf = (root: string, series: Series): string => `${seriesUrl(root, series)}?accept=application/zip`;
