// What lies where few look for it: a palette in segments, an overlay in bits of the pixels, lengths in regions of ultrasound.
import { address, assert, near, run, until } from './harness.mjs';

await run('hidden', {}, async (page, viewer) => {
  await page.goto(address());
  await viewer.shows({});
  const choose = async (name, series) => {
    await viewer.open(name, { series });
    await page.keyboard.press('x');
    await viewer.shows({ zoom: '1.000' });
    await viewer.settled();
  };
  const pixel = async (column, row, selector) => {
    const [x, y] = await viewer.at(column, row, 128, 128);
    return page.evaluate(([left, top, wanted]) => {
      const canvas = document.querySelector(`[data-pane="1"] ${wanted}`);
      const box = canvas.getBoundingClientRect();
      const copy = document.createElement('canvas');
      Object.assign(copy, { width: canvas.width, height: canvas.height });
      const context = copy.getContext('2d');
      context.drawImage(canvas, 0, 0);
      const ratio = canvas.width / box.width;
      return [...context.getImageData(Math.round((left - box.left) * ratio), Math.round((top - box.top) * ratio), 1, 1).data];
    }, [x, y, selector]);
  };
  await choose('segments', '2.25.7000.28');
  // Column + row is the index: red rises to its middle and falls, green rises, blue stays.
  for (const [column, row] of [[10, 10], [60, 60], [100, 100]]) {
    const index = column + row;
    const wanted = [index <= 127 ? index * 2 : (255 - index) * 2, index, 40000 >> 8];
    const isWanted = (color) => wanted.every((value, at) => Math.abs(color[at] - value) <= 6);
    const color = await until(() => pixel(column, row, '.image canvas'), isWanted);
    assert.ok(isWanted(color), `${index}: ${color} is not ${wanted}`);
  }
  await viewer.picture('segments');
  await choose('overlay', '2.25.7000.29');
  const inside = await until(() => pixel(80, 48, 'canvas.marks'), (color) => color[0] > 200 && color[3] > 200);
  assert.ok(inside[0] > 200 && inside[3] > 200, `the block is drawn: ${inside}`);
  for (const [column, row] of [[60, 48], [100, 48], [80, 28], [80, 70]]) {
    assert.equal((await pixel(column, row, 'canvas.marks'))[3], 0, 'and nothing beside it');
  }
  const both = async () => [(await pixel(80, 48, '.image canvas'))[0], (await pixel(60, 48, '.image canvas'))[0]];
  const [under, beside] = await until(both, ([one, other]) => one === other);
  assert.equal(under, beside, 'the bit is no part of the value');
  await viewer.picture('overlay');
  await page.keyboard.press('o');
  const gone = await until(() => pixel(80, 48, 'canvas.marks'), (color) => color[3] === 0);
  assert.equal(gone[3], 0, 'it goes with the other words');

  // Centimetres in a region that has them; pixels where time runs, and from one region into the other.
  await choose('regions', '2.25.7000.32');
  await viewer.tool('length');
  for (const [from, to, wanted, unit, by] of [[[14, 20], [114, 20], 5, 'cm', 0.1], [[14, 100], [114, 100], 100, 'px', 2], [[64, 20], [64, 100], 80, 'px', 2]]) {
    await viewer.drag(await viewer.at(...from, 128, 128), await viewer.at(...to, 128, 128));
    near(await viewer.measured(`([\\d.]+) ${unit}`), wanted, by, `from ${from} to ${to}`);
    await viewer.picture('regions');
    await viewer.tool('erase');
    await page.waitForFunction(() => !/cm|px/.test(document.querySelector('[data-pane="1"] svg.svg-layer').textContent));
  }
});
