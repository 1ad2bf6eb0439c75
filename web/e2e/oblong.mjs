// Pixels that are not square: an image is drawn as large as its pixels are, by the viewer and by the server alike, and a length
// across is not one along.
import { address, assert, near, run, seenIn, until } from './harness.mjs';

/** Of a block of 64 columns and 64 rows in the middle of 128; `ratio`: how much higher than wide a pixel is. */
const CASES = [
  { name: '不等间距', series: '2.25.7000.11', ratio: 2, unit: 'mm', across: 32, along: 64 },
  // Without a spacing the unit is the width of a pixel.
  { name: '仅宽高比', series: '2.25.7000.12', ratio: 2, unit: 'px', across: 64, along: 128 },
  { name: '间距优先', series: '2.25.7000.13', ratio: 1, unit: 'mm', across: 32, along: 32 },
];

await run('oblong', {}, async (page, viewer) => {
  await page.goto(address());
  await viewer.shows({ index: 0, loaded: 12 });
  const canvas = '[data-pane="1"] .image canvas';
  const probe = viewer.pane().locator('.probe');
  for (const { name, series, ratio, unit, across, along } of CASES) {
    await viewer.open(name, { series, count: 1 });
    const box = await viewer.pane().locator('.image').boundingBox();
    const zoom = await viewer.number('zoom');
    near(zoom, Math.min(box.width / 128, box.height / 128 / ratio), zoom * 0.03, `${name} fits into the pane`);
    // An edge between smoothed pixels is seen anywhere within one.
    const [wide, high] = [Math.max(4, zoom), Math.max(4, zoom * ratio)];
    const isSized = (found) => found && Math.abs(found.right - found.left - 64 * zoom) <= wide && Math.abs(found.bottom - found.top - 64 * zoom * ratio) <= high;
    const block = await until(() => seenIn(page, canvas, 90), isSized);
    near(block.right - block.left, 64 * zoom, wide, `${name}: the width of the block`);
    near(block.bottom - block.top, 64 * zoom * ratio, high, `${name}: its height`);
    near(block.x, block.around.x, 4, `${name}: it lies in the middle`);
    near(block.y, block.around.y, 4, `${name}: from top to bottom too`);

    const place = (column, row) => [box.x + box.width / 2 + (column - 63.5) * zoom, box.y + box.height / 2 + (row - 63.5) * zoom * ratio];
    await page.mouse.move(...place(40, 90));
    const said = await until(() => probe.textContent(), (text) => / 100 HU$/.test(text));
    const [, x, y] = /^(\d+), (\d+): 100 HU$/.exec(said) ?? [];
    near(Number(x), 41, 1, `${name}: the column of ${said}`);
    near(Number(y), 91, 1, `${name}: the row of ${said}`);

    for (const [way, from, to, wanted] of [['across', [32, 50], [96, 50], across], ['along', [50, 32], [50, 96], along]]) {
      await viewer.tool('length');
      await viewer.drag(place(...from), place(...to));
      near(await viewer.measured(`([\\d.]+) ${unit}`), wanted, wanted / 40, `${name}: the length ${way}`);
      if (way === 'along') await viewer.picture(`ratio-${ratio}-${unit}`);
      await viewer.tool('erase');
      await page.waitForFunction(() => !/mm|px/.test(document.querySelector('[data-pane="1"] svg.svg-layer').textContent));
      await viewer.tool('window');
    }

    // The server's picture has the same shape.
    const root = (await page.locator(`.thumbnail[data-series="${series}"] img`).getAttribute('src')).replace(/\/thumbnail$/, '');
    const size = await page.evaluate(async (source) => {
      const answer = await fetch(source, { headers: { Accept: 'image/png' } });
      const { width, height } = await createImageBitmap(await answer.blob());
      return [width, height];
    }, `${root}/instances/${series}.1/frames/1/rendered`);
    assert.deepEqual(size, [128, 128 * ratio], `${name}: the server's picture`);
  }
});
