// Presentation states: listed by name, applied on choice, taken off again.
import { address, assert, run, until } from './harness.mjs';

await run('states', {}, async (page, viewer) => {
  await page.goto(address());
  await viewer.shows({ index: 0, count: 12, width: 400, presentation: '' });
  await viewer.tool('states');
  await page.locator('[data-state-uid]').first().waitFor();
  await viewer.picture('listed');
  const names = await page.locator('[data-state-uid]').allTextContents();
  assert.deepEqual(names.map((name) => name.trim()), ['原始显示', '右肺结节标注', '<img src=x onerror=alert(1)>', 'MIRRORED']);
  await page.locator('[data-state-uid="2.25.7000.31.1"]').click();
  // The third image, with its window, its displayed area and what is drawn on it.
  await viewer.shows({ index: 2, presentation: '2.25.7000.31.1', width: 300, center: 60 });
  await viewer.settled();
  const box = await viewer.pane().locator('.image').boundingBox();
  const zoom = Math.min(box.width, box.height) / 128;
  const found = await until(() => viewer.number('zoom'), (value) => Math.abs(value - zoom) < zoom * 0.02);
  assert.ok(Math.abs(found - zoom) < zoom * 0.02, `the block fills the pane: ${found} is not ${zoom}`);
  // The middle of the displayed area is the middle of the pane.
  const place = (x, y) => [box.width / 2 + (x - 128) * zoom, box.height / 2 + (y - 128) * zoom];
  const inked = ([x, y]) =>
    page.evaluate(
      ([left, top]) => {
        const marks = document.querySelector('[data-pane="1"] canvas.marks');
        const ratio = marks.width / marks.clientWidth;
        const { data } = marks.getContext('2d').getImageData(Math.round((left - 4) * ratio), Math.round((top - 4) * ratio), Math.round(9 * ratio), Math.round(9 * ratio));
        for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 120 && data[at + 1] > 180 && data[at + 2] > 200) return true;
        return false;
      },
      [x, y],
    );
  await viewer.picture('applied');
  for (const [what, x, y] of [['the line', 120, 150], ['the circle', 110, 100], ['the ellipse', 170, 120], ['the point', 90, 90], ['the curve', 100, 180]]) {
    assert.ok(await until(() => inked(place(x, y)), Boolean), `${what} is drawn where it belongs`);
  }
  assert.ok(!(await inked(place(120, 140))), 'and nowhere else');
  // Only on its own image.
  await page.keyboard.press('ArrowDown');
  await viewer.shows({ index: 3, width: 400, center: 40 });
  assert.ok(!(await until(() => inked(place(120, 150)), (is) => !is)));
  await page.keyboard.press('ArrowUp');
  await viewer.shows({ index: 2, width: 300 });
  await viewer.tool('states');
  await page.locator('[data-state-uid="2.25.7000.31.2"]').click();
  await viewer.shows({ presentation: '2.25.7000.31.2', sides: 'A P L R', width: 400 });
  await viewer.settled();
  await viewer.picture('turned');
  await viewer.tool('states');
  await page.locator('[data-state-uid="2.25.7000.31.3"]').click();
  await viewer.shows({ presentation: '2.25.7000.31.3', sides: 'P A L R' });
  await viewer.settled();
  await viewer.tool('states');
  await page.locator('[data-state-uid=""]').click();
  await viewer.shows({ presentation: '', sides: 'L R P A', width: 400, center: 40 });
  // The pane may have another size than in the beginning; the whole image fits into it again.
  const fits = async () => {
    const { width, height } = await viewer.pane().locator('.image').boundingBox();
    return (await viewer.number('zoom')) / (Math.min(width, height) / 256);
  };
  const last = await until(fits, (share) => Math.abs(share - 1) < 0.02);
  assert.ok(Math.abs(last - 1) < 0.02, `${last} of what fits`);
});
