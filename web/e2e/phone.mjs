// A phone: one finger leafs, measures and sets windows, two fingers zoom and carry the image along, nothing runs over the edge or
// lies under something else.
import { address, assert, fingers, near, run, seenIn, until } from './harness.mjs';

await run('phone', { viewport: { width: 390, height: 844 }, touch: true }, async (page, viewer, context) => {
  await page.goto(address());
  await viewer.shows({ index: 0, count: 12 });
  await viewer.shows({ loaded: 12 });
  const fits = async (what) => {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 390, `${what} is ${wide} wide`);
  };
  await fits('the page');
  const box = await viewer.pane().boundingBox();
  assert.ok(box.height > 400, 'the image has most of the screen');
  await viewer.picture('first');

  const { drag } = await fingers(page, context);
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await drag([[x, y]], [[x, y + 96]], 12);
  await page.waitForFunction(() => Number(document.querySelector('[data-pane="1"]').dataset.index) > 0);
  // Two fingers neither leaf nor darken.
  await viewer.shows({});
  const { index, width, zoom } = await viewer.pane().evaluate((element) => ({ ...element.dataset }));
  await drag([[x - 30, y], [x + 30, y]], [[x - 90, y], [x + 90, y]]);
  await page.waitForFunction((before) => Number(document.querySelector('[data-pane="1"]').dataset.zoom) > before * 1.2, Number(zoom));
  await viewer.picture('zoomed');
  await drag([[x - 90, y], [x + 90, y]], [[x - 30, y], [x + 30, y]]);
  await page.waitForFunction((before) => Number(document.querySelector('[data-pane="1"]').dataset.zoom) < before * 1.2, Number(zoom));
  const canvas = '[data-pane="1"] .image canvas';
  const before = await seenIn(page, canvas, 90);
  await drag([[x - 40, y], [x + 40, y]], [[x - 10, y + 50], [x + 70, y + 50]]);
  let after;
  for (let attempt = 0; attempt < 600; attempt += 1) {
    after = await seenIn(page, canvas, 90);
    if (after && after.x > before.x + 15 && after.y > before.y + 25) break;
    assert.notEqual(attempt, 599, `carried along: ${JSON.stringify([before, after])}`);
    await page.waitForTimeout(100);
  }
  await viewer.shows({ index, width });
  // A finger that rests opens nothing and changes nothing.
  await page.evaluate(() => document.addEventListener('contextmenu', (event) => document.body.setAttribute('data-menu', String(event.defaultPrevented))));
  await page.locator('[data-pane="1"] .image').dispatchEvent('contextmenu');
  await page.locator('body[data-menu="true"]').waitFor();
  await viewer.shows({ index, width });

  // The slider goes where the finger goes.
  const slider = await viewer.pane().locator('[role="slider"]').boundingBox();
  const onSlider = (share) => [slider.x + slider.width / 2, slider.y + 1 + (slider.height - 2) * share];
  await drag([onSlider(0.5)], [onSlider(1)]);
  await viewer.shows({ index: 11, width });
  await drag([onSlider(1)], [onSlider(0)]);
  await viewer.shows({ index: 0, width });

  // What a finger measures are millimetres: 128 columns of half a millimetre; and a line is moved by its end.
  await viewer.tool('fit');
  near(await until(() => viewer.number('zoom'), (found) => Math.abs(found - Number(zoom)) < 0.02), Number(zoom), 0.02, 'fits again');
  const gone = () => page.waitForFunction(() => !/HU|mm/.test(document.querySelector('[data-pane="1"] svg.svg-layer').textContent));
  await viewer.tool('length');
  await drag([await viewer.at(64, 40)], [await viewer.at(192, 40)]);
  near(await viewer.measured('([\\d.]+) mm'), 64, 1, 'length');
  await viewer.tool('scroll');
  await drag([await viewer.at(192, 40)], [await viewer.at(160, 40)]);
  const length = () => page.evaluate(() => parseFloat(document.querySelector('[data-pane="1"] svg.svg-layer tspan')?.textContent));
  near(await until(length, (found) => Math.abs(found - 48) <= 1), 48, 1, 'the end that was moved');
  await viewer.shows({ index: 0, width });
  await viewer.picture('length');
  await viewer.tool('erase');
  await gone();
  await viewer.tool('rectangle');
  await drag([await viewer.at(80, 80)], [await viewer.at(140, 140)]);
  near(await viewer.measured('均值 (-?[\\d.]+) HU'), 100, 0.01, 'mean');
  near(await viewer.measured('面积 ([\\d.]+) mm²'), 900, 40, 'area');
  await viewer.tool('erase');
  await gone();
  // To the right is wider, as with a mouse, and goes with the next image.
  await viewer.tool('window');
  await drag([await viewer.at(80, 128)], [await viewer.at(130, 128)]);
  const wider = await until(() => viewer.number('width'), (found) => found > 440);
  assert.ok(wider > 440, `a finger widens the window: ${wider}`);
  await viewer.shows({ index: 0, center: 40 });
  await viewer.tool('reset');
  await viewer.shows({ index: 0, width: 400, center: 40 });
  await viewer.tool('scroll');

  // The series below each other in a row; what is beyond the edge is reached, and nothing is cut off.
  const names = await page.locator('.strip .thumbnail').evaluateAll((all) => all.map((one) => {
    const [whole, name] = [one.getBoundingClientRect(), one.querySelector('.name').getBoundingClientRect()];
    return name.bottom <= whole.bottom + 0.5 && name.top >= whole.top;
  }));
  assert.deepEqual(new Set(names), new Set([true]), 'the names of the series are whole');
  await viewer.open('彩色', { count: 1 });
  await viewer.picture('series');
  const prior = page.locator('.prior > button');
  await prior.tap();
  await page.locator('.prior .thumbnail').first().waitFor();
  await page.locator('.prior .thumbnail').first().scrollIntoViewIfNeeded();
  await viewer.picture('prior');
  await fits('the strip');

  // The report has the screen, is read to its end, and gives it back.
  await page.locator('.strip .thumbnail').first().tap();
  await viewer.shows({ count: 12 });
  await page.locator('[data-way="report"]').tap();
  const side = page.locator('.side');
  await side.waitFor();
  const around = await side.boundingBox();
  assert.deepEqual([around.x, around.width], [0, 390]);
  await side.locator('img.page').first().evaluate((image) => image.decode());
  const page1 = await side.locator('img.page').first().boundingBox();
  assert.ok(page1.x >= 0 && page1.x + page1.width <= 390 && page1.width > 340, 'a page is as wide as the screen');
  await fits('the report');
  await viewer.picture('report');
  await side.getByRole('button', { name: '关闭' }).tap();
  await side.waitFor({ state: 'detached' });
  for (const panel of ['help', 'tags']) {
    await viewer.tool(panel);
    await side.waitFor();
    await viewer.picture(panel);
    await fits(panel);
    await side.getByRole('button', { name: '关闭' }).tap();
    await side.waitFor({ state: 'detached' });
  }
  await viewer.tool('presets');
  const list = await page.locator('[role="menu"]').boundingBox();
  assert.ok(list.y >= 0 && list.x >= 0 && list.x + list.width <= 390 && list.y + list.height <= 844, 'the list lies on the screen');
  await viewer.picture('presets');
});
