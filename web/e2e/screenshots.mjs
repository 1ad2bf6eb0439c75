// Makes the pictures of docs/screenshots from the synthetic hospital of `yingku serve --demo`: `make screenshots`.
//
// PROGRAM: the binary; CHROMIUM; SCREENSHOTS: where the pictures go; OUT: where the picture of what went wrong goes.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, renderer, required, run, until } from './harness.mjs';

const DESK = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, touch: true };
const SLICES = { count: 24, loaded: 24 };
// Whoever goes on before a picture has come breaks it off.
const tolerated = (text) => text.includes('net::ERR_ABORTED');

const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

/** A demonstration in a folder of its own, and the links that it prints. */
async function demonstration() {
  const folder = mkdtempSync(join(tmpdir(), 'yingku-screenshots-'));
  const [http, dicom] = [await freePort(), await freePort()];
  const base = `http://127.0.0.1:${http}`;
  const settings = { YINGKU__HTTP__LISTEN: `127.0.0.1:${http}`, YINGKU__HTTP__PUBLIC_URL: base, YINGKU__DICOM__LISTEN: `127.0.0.1:${dicom}` };
  const server = spawn(required('PROGRAM'), ['serve', '--demo'], { cwd: folder, env: { ...process.env, ...settings }, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise((resolve) => server.on('exit', resolve));
  let said = '';
  for (const stream of [server.stdout, server.stderr]) stream.on('data', (part) => { said += part; });
  const stop = async () => {
    server.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const isReady = () => said.includes('ctrl-c stops the server');
  for (let minute = 0; minute < 5 && !isReady() && server.exitCode === null; minute += 1) {
    await until(() => isReady() || server.exitCode !== null, Boolean);
  }
  if (!isReady()) {
    await stop();
    throw new Error(`the demonstration does not start:\n${said}`);
  }
  // The exams in the order in which they are made, then the list of the first patient.
  const [ct, mr, , , ecg, , list] = said.split(/\s+/).filter((word) => word.startsWith(`${base}/IDCAS/`));
  return { links: { ct, mr, ecg, list }, stop };
}

const { links, stop } = await demonstration();

/** Takes the picture when all that it shows has come. */
async function shot(page, name) {
  const waiting = () => page.locator('img').evaluateAll((images) => images.filter((image) => {
    const { top, bottom } = image.getBoundingClientRect();
    return bottom > 0 && top < window.innerHeight && !(image.complete && image.naturalWidth > 0);
  }).length);
  assert.equal(await until(waiting, (count) => count === 0), 0, `${name}: pictures that do not come`);
  await page.screenshot({ path: join(required('SCREENSHOTS'), `${name}.png`) });
}

/** Opens a link; the address of the exam that it leads to. */
async function exam(page, link) {
  await page.goto(link);
  return page.url().split('?')[0];
}

async function pages(page) {
  await page.goto(links.list);
  await shot(page, 'list');
  const ct = await exam(page, links.ct);
  await shot(page, 'exam');
  await page.goto(`${ct}?tab=film&basic=1`);
  await shot(page, 'film');
  await page.goto(`${await exam(page, links.ecg)}?tab=waveform`);
  await shot(page, 'ecg');

  await page.goto(links.list);
  await page.locator('td.title a', { hasText: '血常规' }).first().click();
  await page.getByRole('link', { name: '白细胞计数 趋势图' }).click();
  await page.locator('.chart img').waitFor();
  assert.ok((await page.locator('td[data-label="结果"]').count()) >= 5, 'a curve of five values');
  await shot(page, 'trend');

  await page.goto(links.mr);
  await page.locator('.others a', { hasText: '生化' }).click();
  await page.locator('.lab tr.critical').waitFor();
  await shot(page, 'lab');
}

async function viewing(page, viewer) {
  const ct = await exam(page, links.ct);
  await page.goto(`${ct}/viewer?render=${renderer}`);
  await viewer.shows(SLICES);
  // The CT of half a year ago beside it, and what was said of the one that was opened.
  await viewer.tool('layout');
  await page.locator('[data-layout="1×2"]').click();
  await viewer.shows({}, '2');
  await viewer.pane('2').focus();
  const prior = page.locator('.prior', { hasText: '上腹部CT平扫' });
  await prior.locator('button').first().click();
  await prior.locator('.thumbnail').first().click();
  await viewer.shows(SLICES, '2');
  await viewer.pane('1').focus();
  await page.locator('[data-pane="1"].active').waitFor();
  for (let slice = 0; slice < 10; slice += 1) await page.keyboard.press('ArrowDown');
  await viewer.shows({});
  await page.locator('.side img.page').first().waitFor();
  await viewer.settled();
  await shot(page, 'viewer');

  await page.goto(`${ct}/viewer?render=${renderer}`);
  await viewer.shows(SLICES);
  await viewer.tool('mpr');
  await page.locator('[data-volume="shown"]').waitFor();
  await viewer.settled();
  await shot(page, 'planes');
}

async function phone(page, viewer) {
  await page.goto(links.list);
  await shot(page, 'list-phone');
  const ct = await exam(page, links.ct);
  await shot(page, 'exam-phone');
  await page.goto(`${ct}/viewer?render=${renderer}`);
  await viewer.shows(SLICES);
  await viewer.settled();
  await shot(page, 'viewer-phone');
}

const chinese = { args: ['--lang=zh-CN'], tolerated };
try {
  await run('pictures', { ...DESK, ...chinese }, pages);
  await run('pictures-viewer', { ...DESK, ...chinese }, viewing);
  await run('pictures-phone', { ...PHONE, ...chinese }, phone);
  await run('pictures-plain', { ...DESK, ...chinese, javaScript: false }, async (page) => {
    await page.goto(`${await exam(page, links.ct)}?tab=images&i=11`);
    await shot(page, 'basic');
  });
  await run('pictures-english', { ...PHONE, args: ['--lang=en-US'], locale: 'en-US', tolerated }, async (page) => {
    await page.goto(links.list);
    await shot(page, 'list-phone-english');
  });
} finally {
  await stop();
}
