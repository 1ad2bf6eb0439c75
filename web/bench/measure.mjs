// From the link to the first image, in the same browser for all: the first animation frame in which more than a twentieth of
// the largest picture or canvas is not black; and to the first that the viewer drew itself, on a canvas, from when on it can be
// worked with. Cold is a new profile, warm is the second visit with it. Bytes are counted on the line until the first image.
//
// Started by benches/web with CHROMIUM, YINGKU, YINGKU_KEY, LINK, OHIF, ORTHANC, ORTHANC_SERIES, STUDY, OUT; ROUNDS and RENDERER may be given.
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { serveOhif } from './ohif.mjs';

const required = (name) => process.env[name] ?? (() => { throw new Error(`${name} is not set`); })();
const rounds = Number(process.env.YINGKU_BENCH_ROUNDS ?? 5);
const gl = process.env.RENDERER === 'none' ? ['--disable-gpu', '--disable-software-rasterizer'] : ['--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'];
const COMMON = ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];
const LINES = [['loopback', 0, 0], ['10 Mbit/s, 40 ms', 10, 40]];
const PATIENCE_MS = 180_000;

/** In the page, before anything else. */
function watch() {
  const copy = document.createElement('canvas');
  Object.assign(copy, { width: 64, height: 64 });
  const context = copy.getContext('2d', { willReadFrequently: true });
  const isBright = (element) => {
    context.clearRect(0, 0, 64, 64);
    context.drawImage(element, 0, 0, 64, 64);
    const { data } = context.getImageData(0, 0, 64, 64);
    let bright = 0;
    for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 0 && data[at] + data[at + 1] + data[at + 2] > 48) bright += 1;
    return bright > 64 * 64 * 0.05;
  };
  const largest = (selector, isReady) => {
    const all = [...document.querySelectorAll(selector)].filter((element) => element !== copy && isReady(element));
    const sizes = all.map((element) => element.getBoundingClientRect()).map(({ width, height }) => width * height);
    const most = Math.max(...sizes);
    return most > 40_000 ? all[sizes.indexOf(most)] : undefined;
  };
  const now = () => performance.timeOrigin + performance.now();
  const look = () => {
    const canvas = largest('canvas', ({ width, height }) => width > 0 && height > 0);
    if (canvas && isBright(canvas)) {
      window.firstDrawnAt = now();
      window.firstImageAt ??= window.firstDrawnAt;
      return;
    }
    const picture = window.firstImageAt === undefined && largest('img', ({ complete, naturalWidth }) => complete && naturalWidth > 0);
    if (picture && isBright(picture)) window.firstImageAt = now();
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

class Line {
  static async before(port, megabits, roundTrip) {
    const line = new Line();
    line.child = fork(fileURLToPath(new URL('./line.mjs', import.meta.url)));
    line.child.send({ port, megabits, roundTrip });
    line.port = (await line.answer()).port;
    return line;
  }

  answer() {
    return new Promise((resolve) => this.child.once('message', resolve));
  }

  async count() {
    const answer = this.answer();
    this.child.send('count');
    return answer;
  }

  close() {
    this.child.disconnect();
  }
}

async function visit(context, line, path, picture) {
  const page = await context.newPage();
  await page.addInitScript(watch);
  await line.count();
  const began = Date.now();
  await page.goto(`http://127.0.0.1:${line.port}${path}`, { waitUntil: 'commit', timeout: PATIENCE_MS });
  await page.waitForFunction(() => window.firstImageAt !== undefined, undefined, { timeout: PATIENCE_MS, polling: 50 });
  const { down } = await line.count();
  const at = await page.evaluate(() => window.firstImageAt);
  if (picture) await page.screenshot({ path: picture });
  await page.waitForFunction(() => window.firstDrawnAt !== undefined, undefined, { timeout: PATIENCE_MS, polling: 50 });
  const drawn = await page.evaluate(() => window.firstDrawnAt);
  await page.close();
  return { ms: at - began, drawn: drawn - began, bytes: down };
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

async function measure(peer, [name, megabits, roundTrip]) {
  const line = await Line.before(peer.port, megabits, roundTrip);
  const found = { cold: [], warm: [] };
  // The first round is not counted: servers fill what they keep.
  for (let round = 0; round <= rounds; round += 1) {
    const profile = mkdtempSync(join(tmpdir(), 'yingku-bench-'));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: required('CHROMIUM'), args: [...COMMON, ...gl], viewport: { width: 1280, height: 800 }, locale: 'zh-CN', timeout: PATIENCE_MS,
    });
    for (const kind of ['cold', 'warm']) {
      const picture = round === 1 && join(required('OUT'), `${peer.name.replace(/\W+/g, '-')}-${roundTrip}-${kind}.png`);
      const seen = await visit(context, line, peer.path, picture);
      if (round > 0) found[kind].push(seen);
    }
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
  line.close();
  const of = (kind, what) => median(found[kind].map((one) => one[what]));
  return { name, peer: peer.name, cold: of('cold', 'ms'), warm: of('warm', 'ms'), coldDrawn: of('cold', 'drawn'), warmDrawn: of('warm', 'drawn'), coldBytes: of('cold', 'bytes'), warmBytes: of('warm', 'bytes') };
}

const OVER_ORTHANC = 'OHIF 3.13.2 over Orthanc';
const ohif = await serveOhif(required('OHIF'), { name: 'Orthanc', root: required('ORTHANC') });
const key = { authorization: `Bearer ${required('YINGKU_KEY')}` };
const overYingku = await serveOhif(required('OHIF'), { name: 'Yingku', root: required('YINGKU'), headers: key });
const ohifPath = `/viewer?StudyInstanceUIDs=${required('STUDY')}`;
const peers = [
  { name: 'Yingku', port: Number(new URL(required('YINGKU')).port), path: required('LINK') },
  { name: OVER_ORTHANC, port: ohif.port, path: ohifPath },
  // This one is a check too: another viewer shows what our DICOMweb gives, or there is no table.
  { name: "OHIF 3.13.2 over Yingku's DICOMweb", port: overYingku.port, path: ohifPath },
  { name: 'Orthanc Web Viewer', port: Number(new URL(required('ORTHANC')).port), path: `/web-viewer/app/viewer.html?series=${required('ORTHANC_SERIES')}` },
];
const wanted = process.env.YINGKU_BENCH_PEERS?.split(',');
console.log(`the first image of 40 × 512² CT; medians of ${rounds} rounds, a new profile and the second visit with it`);
console.log('| line | viewer | cold ms | warm ms | cold, of OHIF | warm, of OHIF | cold, drawn by the viewer ms | warm, drawn by the viewer ms | cold kB | warm kB |\n|---|---|---|---|---|---|---|---|---|---|');
for (const line of LINES) {
  const rows = [];
  for (const peer of peers) if (!wanted || wanted.some((name) => peer.name.startsWith(name))) rows.push(await measure(peer, line));
  const other = rows.find((row) => row.peer === OVER_ORTHANC);
  const share = (value, of) => (of ? (value / of).toFixed(2) : '–');
  for (const row of rows) {
    const times = [row.cold.toFixed(0), row.warm.toFixed(0), share(row.cold, other?.cold), share(row.warm, other?.warm), row.coldDrawn.toFixed(0), row.warmDrawn.toFixed(0)];
    const figures = [...times, (row.coldBytes / 1000).toFixed(0), (row.warmBytes / 1000).toFixed(0)];
    console.log(`| ${row.name} | ${row.peer} | ${figures.join(' | ')} |`);
  }
}
ohif.close();
overYingku.close();
process.exit(0);
