// An image that a small machine should not unpack: said, with the way to where the server draws it; nothing else suffers.
import { address, assert, run } from './harness.mjs';

await run('large', {}, async (page, viewer) => {
  await page.addInitScript(() => Object.defineProperty(Navigator.prototype, 'deviceMemory', { get: () => 1 }));
  const frames = [];
  page.on('request', (request) => request.url().includes('/frames/') && frames.push(request.url()));
  await page.goto(address());
  await viewer.shows({ index: 0, loaded: 12 });
  await viewer.open('large', { state: 'failed', count: 1 });
  const note = viewer.pane().locator('[role="alert"]');
  assert.ok((await note.textContent()).includes('影像过大'));
  assert.ok((await note.locator('a').getAttribute('href')).includes('basic=1'));
  assert.equal(frames.filter((url) => url.includes('2.25.7000.27')).length, 0, 'nothing of it is fetched');
  await viewer.picture('refused');
  await viewer.open('平扫', { count: 12 });
});

// A stack without images, or whose images nobody decodes, is said to be one, with the way to the basic page.
// Frames that are on their way are given up when another stack is opened.
const tolerated = (text) => text.includes('status of 415') || text.includes('net::ERR_ABORTED');
await run('nothing', { tolerated }, async (page, viewer) => {
  const series = (number) => `**/series/2.25.7000.${number}`;
  const json = 'application/dicom+json';
  await page.route(`${series(4)}/metadata`, (route) => route.fulfill({ contentType: json, body: '[]' }));
  await page.route(`${series(3)}/metadata`, async (route) => {
    const sets = await (await route.fetch()).json();
    const films = sets.map((set) => ({ ...set, '00083002': { vr: 'UI', Value: ['1.2.840.10008.1.2.4.102'] } }));
    return route.fulfill({ contentType: json, body: JSON.stringify(films) });
  });
  await page.route(`${series(5)}/instances/*/frames/**`, (route) => route.fulfill({ status: 415, body: '' }));
  await page.goto(address());
  await viewer.shows({ index: 0, loaded: 12 });
  for (const [name, count, words] of [['截图', 0, '没有可在此显示的图像'], ['胸片', 0, '没有可在此显示的图像'], ['彩色', 1, '影像加载失败']]) {
    await viewer.open(name, { state: 'failed', count });
    const note = viewer.pane().locator('[role="alert"]');
    assert.ok((await note.textContent()).includes(words), name);
    assert.ok((await note.locator('a').getAttribute('href')).includes('basic=1'), name);
    await note.getByRole('button', { name: '重试' }).waitFor();
  }
  await viewer.open('平扫', { count: 12 });
});
