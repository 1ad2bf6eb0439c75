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
