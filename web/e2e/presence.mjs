// While somebody works the session stays awake, by one small request in some minutes; that it has ended is said at once.
import { address, assert, run, until } from './harness.mjs';

await run('presence', { tolerated: (text) => text.includes('status of 403') }, async (page, viewer) => {
  await page.addInitScript(() => {
    const real = Date.now.bind(Date);
    window.later = 0;
    Date.now = () => real() + window.later * 60_000;
  });
  const renewals = [];
  page.on('request', (request) => request.method() === 'HEAD' && /\/dicom-web\/$/.test(request.url()) && renewals.push(request));
  await page.goto(address());
  await viewer.shows({ index: 0, loaded: 12 });
  const [x, y] = await viewer.at(128, 128);
  /** Moves the mouse and leafs, so many minutes after the start. */
  const works = async (minutes, key) => {
    await page.evaluate((now) => { window.later = now; }, minutes);
    for (const by of [0, 15, 30]) await page.mouse.move(x + by, y);
    await page.keyboard.press(key);
  };
  const asked = (count) => until(() => renewals.length, (found) => found >= count);
  await works(2, 'ArrowDown');
  await works(8, 'ArrowDown');
  assert.equal(await asked(1), 1, 'not before five minutes, and once for all that is done');
  assert.equal((await renewals[0].response()).status(), 200);
  await works(10, 'ArrowUp');
  await works(16, 'ArrowDown');
  assert.equal(await asked(2), 2);
  await viewer.shows({ index: 2 });
  assert.equal(await page.locator('.banner').count(), 0);
  // The server has ended it.
  await page.route(/\/dicom-web\/$/, (route) => route.fulfill({ status: 403, body: '' }));
  await works(24, 'ArrowDown');
  await page.locator('.banner.bad', { hasText: '会话已失效' }).waitFor();
});
