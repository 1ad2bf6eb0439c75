// The magnifier: twice as large while the button is down, in the grey of the pane, gone afterwards.
import { address, assert, run, until } from './harness.mjs';

await run('lens', {}, async (page, viewer) => {
  await page.goto(address());
  await viewer.shows({ index: 0 });
  await page.keyboard.press('m');
  const [x, y] = await viewer.at(64, 128);
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + 3, y);
  const lens = page.locator('.lens');
  await lens.waitFor();
  // The edge of the block goes through the middle: black to the left, grey to the right, as in the pane.
  const read = () => lens.evaluate((canvas) => {
    const context = canvas.getContext('2d');
    const at = (share) => context.getImageData(Math.round(canvas.width * share), canvas.height >> 1, 1, 1).data[0];
    return [at(0.2), at(0.8), Number(canvas.dataset.times)];
  });
  const grays = await until(read, ([left, right]) => left === 0 && right === 166);
  assert.deepEqual(grays, [0, 166, 2], 'WW 400 WL 40: -1000 HU and 100 HU');
  assert.equal(await viewer.value('index'), '0');
  assert.equal(await viewer.value('width'), '400', 'neither leafing nor windowing');
  await viewer.picture('open');
  await page.mouse.up();
  await lens.waitFor({ state: 'detached' });
});
