// What the specs share: a browser with or without a graphics processor, and the rule that nothing may go wrong unseen.
//
// The test in tests/it/viewer says by its environment: URL (the page), CHROMIUM, RENDERER (`gpu` or `cpu`), OUT (a folder).
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';
import { chromium } from 'playwright-core';

export { assert };

export const near = (value, wanted, by, what) => assert.ok(Math.abs(value - wanted) <= by, `${what}: ${value} is not ${wanted} ± ${by}`);

const COMMON = ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];
const WITH_GL = ['--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'];
const WITHOUT_GL = ['--disable-gpu', '--disable-software-rasterizer'];

export const renderer = process.env.RENDERER ?? 'cpu';

export function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

/** Runs a spec in a new profile; every error that the page meets fails it, unless `tolerated` knows it. */
export async function run(name, options, spec) {
  const out = required('OUT');
  mkdirSync(out, { recursive: true });
  const profile = mkdtempSync(join(tmpdir(), 'yingku-e2e-'));
  const faults = [];
  const tolerated = options.tolerated ?? (() => false);
  const note = (text) => {
    if (!tolerated(text)) faults.push(text);
  };
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: required('CHROMIUM'),
    args: [...COMMON, ...(renderer === 'gpu' ? WITH_GL : WITHOUT_GL), ...(options.args ?? [])],
    viewport: options.viewport ?? { width: 1280, height: 800 },
    hasTouch: options.touch ?? false,
    isMobile: options.touch ?? false,
    locale: options.locale ?? 'zh-CN',
    javaScriptEnabled: options.javaScript ?? true,
    acceptDownloads: true,
  });
  const page = context.pages()[0] ?? (await context.newPage());
  page.setDefaultTimeout(Number(process.env.TIMEOUT ?? 120_000));
  page.on('dialog', (dialog) => {
    note(`dialog: ${dialog.message()}`);
    dialog.dismiss().catch(() => undefined);
  });
  page.on('pageerror', (error) => note(`pageerror: ${error.stack ?? error}`));
  page.on('console', (message) => {
    if (message.type() === 'error') note(`console: ${message.text()}`);
  });
  page.on('requestfailed', (request) => note(`request: ${new URL(request.url()).pathname.split('/').pop()} ${request.failure()?.errorText}`));
  if (process.env.VIEWER_DIST) await overlay(page, process.env.VIEWER_DIST);
  const viewer = new Viewer(page, out, `${name}-${renderer}`);
  try {
    await spec(page, viewer, context);
    assert.deepEqual(faults, [], 'the page met no error');
  } catch (error) {
    await viewer.picture('failed').catch(() => undefined);
    console.error(`${name} (${renderer}): ${error.stack ?? error}`);
    for (const fault of faults) console.error(fault);
    process.exitCode = 1;
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

/**
 * What a probe finds, as soon as it is what is wanted: what is drawn comes some frames after it is asked for. In the end
 * it is what it is, and the caller says what is wrong with it.
 */
export async function until(probe, isWanted) {
  for (let attempt = 0; ; attempt += 1) {
    const found = await probe();
    if (isWanted(found) || attempt === 600) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const TYPES = { '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm' };

/** Where a canvas is brighter than `level`, in pixels of the page, and how grey it is in the midst of that; nothing when all is darker. */
export const seenIn = (page, selector, level) =>
  page.evaluate(([wanted, least]) => {
    const source = document.querySelector(wanted);
    const copy = document.createElement('canvas');
    copy.width = source.width;
    copy.height = source.height;
    const context = copy.getContext('2d');
    context.drawImage(source, 0, 0);
    const { data, width, height } = context.getImageData(0, 0, copy.width, copy.height);
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    for (let at = 0; at < width * height; at += 1) {
      if (data[at * 4] < least) continue;
      const [x, y] = [at % width, Math.floor(at / width)];
      box.splice(0, 4, Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x + 1), Math.max(box[3], y + 1));
    }
    if (box[0] > box[2]) return null;
    const around = source.getBoundingClientRect();
    const times = around.width / width;
    const [left, top, right, bottom] = box.map((edge, at) => (at % 2 === 0 ? around.left : around.top) + edge * times);
    const middle = context.getImageData(Math.round((box[0] + box[2]) / 2), Math.round((box[1] + box[3]) / 2), 1, 1).data[0];
    return { left, top, right, bottom, x: (left + right) / 2, y: (top + bottom) / 2, middle, around: { x: around.left + around.width / 2, y: around.top + around.height / 2 } };
  }, [selector, level]);

/** For work on the viewer: the files of `vite build --outDir FOLDER` in the place of those in the binary. */
async function overlay(page, folder) {
  const { 'src/main.tsx': entry } = JSON.parse(readFileSync(join(folder, '.vite/manifest.json'), 'utf8'));
  await page.route('**/static/viewer/*', (route) => {
    const path = join(folder, basename(new URL(route.request().url()).pathname));
    return existsSync(path) ? route.fulfill({ path, contentType: TYPES[extname(path)] }) : route.continue();
  });
  await page.route(/\/viewer(\?.*)?$/, async (route) => {
    const response = await route.fetch();
    const styles = entry.css.map((name) => `$1/static/viewer/${name}`);
    const body = (await response.text())
      .replace(/<link rel="modulepreload"[^>]*>/g, '')
      .replace(/([^"]*)\/static\/viewer\/[^"]+\.css/, styles[0])
      .replace(/([^"]*)\/static\/viewer\/[^"]+\.js/, `$1/static/viewer/${entry.file}`);
    return route.fulfill({ response, body });
  });
}

/** With the renderer that this run is about, whatever the machine has. */
export const address = (query = '') => `${required('URL')}?render=${renderer}${query}`;

/** What axe finds on a page as it is, but for trifles: the same as on all pages (pages.mjs). */
export async function serious(page) {
  await page.evaluate(readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
  return page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'] });
    return violations
      .filter(({ impact }) => impact !== 'minor')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html, any }) => `${html.slice(0, 160)} ${any[0]?.message ?? ''}`).join('\n  ')}`);
  });
}

/** Fingers on a page: `down`, then `move` as often as one likes, then `up`. */
export async function fingers(page, context) {
  const client = await context.newCDPSession(page);
  const send = (type, points) => client.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
  /** Moves all fingers by as much, or each to its own place. */
  const drag = async (from, to, steps = 10) => {
    await send('touchStart', from);
    for (let part = 1; part <= steps; part += 1) {
      const between = (a, b) => a + ((b - a) * part) / steps;
      await send('touchMove', from.map(([x, y], at) => [between(x, to[at][0]), between(y, to[at][1])]));
    }
    await send('touchEnd', []);
  };
  return { drag };
}

export class Viewer {
  constructor(page, out, name) {
    Object.assign(this, { page, out, name, shots: 0 });
  }

  pane(id = '1') {
    return this.page.locator(`[data-pane="${id}"]`);
  }

  async value(name, id = '1') {
    return this.pane(id).getAttribute(`data-${name}`);
  }

  async number(name, id = '1') {
    return Number(await this.value(name, id));
  }

  /** Waits until a pane shows what is wanted: attributes by their names. */
  async shows(wanted, id = '1') {
    const conditions = { state: 'shown', ...wanted };
    const check = ([pane, list]) => {
      const element = document.querySelector(`[data-pane="${pane}"]`);
      return element !== null && Object.entries(list).every(([key, value]) => element.getAttribute(`data-${key}`) === String(value));
    };
    await this.page.waitForFunction(check, [id, conditions]).catch(async (error) => {
      const found = await this.pane(id).evaluate((element) => ({ ...element.dataset }));
      throw new Error(`the pane does not show ${JSON.stringify(conditions)} but ${JSON.stringify(found)}: ${error.message}`);
    });
  }

  /** Chooses a series by words of its thumbnail; what the pane showed before can no longer be taken for it. */
  async open(words, wanted = {}, id = '1') {
    const thumbnail = this.page.locator('.thumbnail', { hasText: words });
    const series = await thumbnail.getAttribute('data-series');
    await thumbnail.click();
    await this.shows({ series, ...wanted }, id);
    await this.settled();
  }

  /** The place on the page of a pixel of an image that is neither turned nor moved. */
  async at(column, row, rows = 256, columns = 256, id = '1') {
    const box = await this.pane(id).locator('.image').boundingBox();
    const zoom = await this.number('zoom', id);
    return [box.x + box.width / 2 + (column - (columns - 1) / 2) * zoom, box.y + box.height / 2 + (row - (rows - 1) / 2) * zoom];
  }

  /** How grey the pane is at a pixel of such an image. */
  async gray(column, row, rows = 256, columns = 256, id = '1') {
    const [x, y] = await this.at(column, row, rows, columns, id);
    return this.page.evaluate(([left, top, pane]) => {
      const source = document.querySelector(`[data-pane="${pane}"] .image canvas`);
      const box = source.getBoundingClientRect();
      const copy = document.createElement('canvas');
      copy.width = source.width;
      copy.height = source.height;
      const context = copy.getContext('2d');
      context.drawImage(source, 0, 0);
      return context.getImageData(Math.round(((left - box.left) * source.width) / box.width), Math.round(((top - box.top) * source.height) / box.height), 1, 1).data[0];
    }, [x, y, id]);
  }

  /** Waits until it is as grey as wanted. */
  async isGray(column, row, wanted, what, rows = 256, columns = 256) {
    const found = await until(() => this.gray(column, row, rows, columns), (value) => Math.abs(value - wanted) <= 4);
    near(found, wanted, 4, what);
  }

  async drag(from, to, button = 'left') {
    const { mouse } = this.page;
    await mouse.move(...from);
    await mouse.down({ button });
    for (let part = 1; part <= 8; part += 1) {
      await mouse.move(from[0] + ((to[0] - from[0]) * part) / 8, from[1] + ((to[1] - from[1]) * part) / 8);
    }
    await mouse.up({ button });
    await this.settled();
  }

  /** What is drawn follows what was done in the next frame. */
  async settled() {
    await this.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  }

  async tool(name) {
    await this.page.locator(`[data-tool="${name}"]`).click();
  }

  /** All words of the measurements in a pane. */
  async measured(pattern, id = '1') {
    const read = ([pane, source]) => {
      const lines = document.querySelectorAll(`[data-pane="${pane}"] svg.svg-layer tspan`);
      const text = [...lines].map((line) => line.textContent).join('\n');
      return new RegExp(source).exec(text)?.[1];
    };
    const found = await this.page.waitForFunction(read, [id, pattern]).catch(async (error) => {
      throw new Error(`${pattern} is not in: ${await this.pane(id).locator('svg.svg-layer').textContent()} (${error.message})`);
    });
    return Number(await found.jsonValue());
  }

  async picture(what) {
    this.shots += 1;
    await this.page.screenshot({ path: join(this.out, `${this.name}-${String(this.shots).padStart(2, '0')}-${what}.png`) });
  }
}
