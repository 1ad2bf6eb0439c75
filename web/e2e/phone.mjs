// A phone: one finger leafs, two fingers zoom, nothing runs over the edge.
import { address, assert, run } from './harness.mjs';

await run('phone', { viewport: { width: 390, height: 844 }, touch: true }, async (page, viewer, context) => {
  await page.goto(address());
  await viewer.shows({ index: 0, count: 12 });
  await viewer.shows({ loaded: 12 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 390, `the page is ${wide} wide`);
  const box = await viewer.pane().boundingBox();
  assert.ok(box.height > 400, 'the image has most of the screen');
  await viewer.picture('first');

  const client = await context.newCDPSession(page);
  const touch = (type, points) => client.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await touch('touchStart', [[x, y]]);
  for (let part = 1; part <= 12; part += 1) await touch('touchMove', [[x, y + part * 8]]);
  await touch('touchEnd', []);
  await page.waitForFunction(() => Number(document.querySelector('[data-pane="1"]').dataset.index) > 0);

  const before = await viewer.number('zoom');
  await touch('touchStart', [[x - 30, y], [x + 30, y]]);
  for (let part = 1; part <= 10; part += 1) await touch('touchMove', [[x - 30 - part * 6, y], [x + 30 + part * 6, y]]);
  await touch('touchEnd', []);
  await page.waitForFunction((zoom) => Number(document.querySelector('[data-pane="1"]').dataset.zoom) > zoom * 1.2, before);
  await viewer.picture('zoomed');
});
