// A clinician at a desk: opens the link, leafs, sets windows, turns, measures, compares.
import { readFileSync } from 'node:fs';
import { address, assert, near, run, seenIn, until } from './harness.mjs';

await run('images', {}, async (page, viewer) => {
  await page.goto(address());
  await viewer.shows({ index: 0, count: 12, width: 400, center: 40, sides: 'L R P A' });
  const pane = viewer.pane();
  for (const words of ['测试甲', '示例医院', '1 / 12', 'WW 400', 'WL 40', '2 mm']) {
    assert.ok((await pane.textContent()).includes(words), `${words} stands over the image`);
  }
  assert.equal(await page.locator('.thumbnail').count(), 5);
  assert.ok((await page.locator('.thumbnail').first().textContent()).includes('12 幅'));
  await viewer.shows({ loaded: 12 });
  await viewer.picture('first');

  // Leafing: wheel, keys, slider.
  const middle = await viewer.at(128, 128);
  await page.mouse.move(...middle);
  const probe = pane.locator('.probe');
  /** Waits for what is said of the pixel under the mouse. */
  const under = async (value, column, row) => {
    const said = await until(() => probe.textContent(), (text) => text.endsWith(`: ${value} HU`));
    const [, x, y] = /^(\d+), (\d+): /.exec(said) ?? [];
    assert.ok(said.endsWith(`: ${value} HU`), `${said} is not ${value} HU`);
    near(Number(x), column + 1, 1, 'its column');
    near(Number(y), row + 1, 1, 'its row');
  };
  await under(100, 128, 128);
  for (let n = 1; n <= 3; n += 1) {
    await page.mouse.wheel(0, 120);
    await viewer.shows({ index: n });
  }
  await under(103, 128, 128);
  await page.mouse.move(...(await viewer.at(20, 30)));
  await under(-1000, 20, 30);
  await page.mouse.move(200, 10);
  assert.equal(await until(() => probe.textContent(), (text) => text === ''), '', 'nothing is said of what is not under the mouse');
  assert.equal(await viewer.value('width'), '400', 'the window stays');
  await page.keyboard.press('End');
  await viewer.shows({ index: 11 });
  await page.keyboard.press('PageUp');
  await viewer.shows({ index: 1 });
  await page.keyboard.press('ArrowDown');
  await viewer.shows({ index: 2 });
  await page.keyboard.press('Home');
  await viewer.shows({ index: 0 });
  const slider = await pane.locator('[role="slider"]').boundingBox();
  await page.mouse.click(slider.x + slider.width / 2, slider.y + slider.height - 2);
  await viewer.shows({ index: 11 });
  await page.keyboard.press('Home');
  await viewer.shows({ index: 0 });

  // Windows: preset, key, dragging; all of them outlast leafing.
  await viewer.tool('presets');
  await page.locator('[data-preset="肺窗"]').click();
  await viewer.shows({ width: 1500, center: -600 });
  await page.keyboard.press('ArrowDown');
  await viewer.shows({ index: 1, width: 1500, center: -600 });
  await page.keyboard.press('5');
  await viewer.shows({ width: 2000, center: 500 });
  await page.keyboard.press('0');
  await viewer.shows({ width: 400, center: 40 });
  await viewer.drag(middle, [middle[0] + 80, middle[1]]);
  assert.ok((await until(() => viewer.number('width'), (width) => width > 450)) > 450, 'dragging to the right widens the window');
  assert.equal(await viewer.value('center'), '40');
  const dragged = await viewer.value('width');
  await page.keyboard.press('ArrowDown');
  await viewer.shows({ index: 2, width: dragged });
  assert.ok((await pane.textContent()).includes(`WW ${dragged}`));
  await page.keyboard.press('Escape');
  await viewer.shows({ width: 400, center: 40 });
  await page.keyboard.press('Home');
  await viewer.shows({ index: 0 });

  // Turning: the letters of the sides turn with the image.
  const sides = async (key, wanted) => {
    await page.keyboard.press(key);
    await viewer.shows({ sides: wanted });
  };
  await sides('r', 'A P L R');
  await sides('Escape', 'L R P A');
  await sides('h', 'R L P A');
  await sides('v', 'R L A P');
  await sides('Escape', 'L R P A');
  await viewer.tool('left');
  await viewer.shows({ sides: 'P A R L' });
  await sides('Escape', 'L R P A');

  // Dark and bright: a block of 100 HU, and air.
  await viewer.shows({ inverted: false });
  await viewer.isGray(128, 128, 166, 'the block');
  await page.keyboard.press('i');
  await viewer.shows({ inverted: true, width: 400, center: 40 });
  await viewer.isGray(128, 128, 89, 'the block, inverted');
  await viewer.isGray(20, 20, 255, 'air, inverted');
  await viewer.tool('invert');
  await viewer.shows({ inverted: false });
  await viewer.isGray(20, 20, 0, 'air');

  // The image goes with the mouse.
  await viewer.tool('pan');
  const canvas = '[data-pane="1"] .image canvas';
  const stood = await seenIn(page, canvas, 90);
  await viewer.drag(middle, [middle[0] + 60, middle[1] + 30]);
  const stands = await until(() => seenIn(page, canvas, 90), (found) => found && Math.abs(found.x - stood.x - 60) <= 3 && Math.abs(found.y - stood.y - 30) <= 3);
  near(stands.x - stood.x, 60, 3, 'to the right');
  near(stands.y - stood.y, 30, 3, 'down');
  near(stands.right - stands.left, stood.right - stood.left, 3, 'as large as before');
  await page.keyboard.press('Escape');
  await until(() => seenIn(page, canvas, 90), (found) => found && Math.abs(found.x - stood.x) <= 1);
  await viewer.tool('window');
  await page.keyboard.press('x');
  await viewer.shows({ zoom: '1.000' });
  await page.keyboard.press('f');
  await page.waitForFunction(() => Number(document.querySelector('[data-pane="1"]').dataset.zoom) > 1.5);

  // Measuring: 128 columns of half a millimetre, a right angle, a block of 100 HU.
  await viewer.tool('length');
  await viewer.drag(await viewer.at(64, 40), await viewer.at(192, 40));
  near(await viewer.measured('([\\d.]+) mm'), 64, 0.6, 'length');
  await viewer.tool('rectangle');
  await viewer.drag(await viewer.at(80, 80), await viewer.at(140, 140));
  near(await viewer.measured('均值 (-?[\\d.]+) HU'), 100, 0.01, 'mean');
  near(await viewer.measured('标准差 ([\\d.]+)'), 0, 0.01, 'deviation');
  near(await viewer.measured('面积 ([\\d.]+) mm²'), 900, 25, 'area');
  await viewer.tool('ellipse');
  await viewer.drag(await viewer.at(20, 128), await viewer.at(50, 158));
  near(await viewer.measured('均值 (-1000\\.0) HU'), -1000, 0.01, 'mean of air');
  await viewer.tool('angle');
  const [a, b, c] = [await viewer.at(200, 230), await viewer.at(150, 230), await viewer.at(150, 200)];
  await viewer.drag(a, b);
  await page.mouse.move(...c);
  await page.mouse.click(...c);
  near(await viewer.measured('([\\d.]+)°'), 90, 1, 'angle');
  await viewer.picture('measured');
  await viewer.tool('erase');
  await page.waitForFunction(() => !/HU|mm|°/.test(document.querySelector('[data-pane="1"] svg.svg-layer').textContent));
  await viewer.tool('window');

  // A drawn line is moved by its end, whatever tool is chosen; what was moved is chosen, and goes alone.
  const lengths = () => page.evaluate(() => [...document.querySelectorAll('[data-pane="1"] svg.svg-layer tspan')].map((line) => parseFloat(line.textContent)).filter(Number.isFinite).sort((a, b) => a - b));
  const isLong = (wanted) => (found) => found.length === wanted.length && found.every((length, at) => Math.abs(length - wanted[at]) <= 0.6);
  const are = async (wanted, what) => {
    const found = await until(lengths, isLong(wanted));
    assert.ok(isLong(wanted)(found), `${what}: ${found}`);
  };
  await viewer.tool('length');
  await viewer.drag(await viewer.at(64, 40), await viewer.at(192, 40));
  await viewer.drag(await viewer.at(64, 200), await viewer.at(128, 200));
  await are([32, 64], 'two lines');
  await viewer.tool('window');
  await viewer.drag(await viewer.at(192, 40), await viewer.at(160, 40));
  await are([32, 48], 'the end that was dragged');
  assert.equal(await viewer.value('width'), '400', 'nothing else was done');
  await page.keyboard.press('Delete');
  await are([32], 'the other line stays');
  await viewer.tool('erase');
  await are([], 'all are gone');

  // Lengths are marked on a detector, and are pixels where nothing says how large they are.
  await viewer.open('胸片', { count: 1 });
  await viewer.tool('length');
  await viewer.drag(await viewer.at(64, 128), await viewer.at(164, 128));
  near(await viewer.measured('([\\d.]+) mm \\(探测器平面\\)'), 20, 0.3, 'length on the detector');
  await viewer.picture('detector');
  await viewer.open('截图', { count: 1, sides: '' });
  await viewer.drag(await viewer.at(64, 128), await viewer.at(164, 128));
  near(await viewer.measured('([\\d.]+) px'), 100, 1, 'length in pixels');
  await viewer.tool('erase');
  await viewer.tool('window');

  // Colours come out as they went in: red, green and blue thirds.
  await viewer.open('彩色', { count: 1 });
  const pure = [[255, 0, 0], [0, 255, 0], [0, 0, 255]].flat();
  const read = () => page.evaluate(() => {
    const source = document.querySelector('[data-pane="1"] .image canvas');
    const copy = document.createElement('canvas');
    copy.width = source.width;
    copy.height = source.height;
    const context = copy.getContext('2d');
    context.drawImage(source, 0, 0);
    const side = Math.min(copy.width, copy.height);
    const left = (copy.width - side) / 2;
    return [1 / 6, 1 / 2, 5 / 6].flatMap((share) => [...context.getImageData(left + side * share, copy.height / 2, 1, 1).data].slice(0, 3));
  });
  const colors = await until(read, (found) => found.every((value, at) => Math.abs(value - pure[at]) <= 2));
  colors.forEach((value, at) => near(value, pure[at], 2, 'a colour'));

  // Side by side: two series, linked, with lines where they cross.
  await viewer.open('平扫', { count: 12 });
  await viewer.tool('layout');
  await page.locator('[data-layout="1×2"]').click();
  await viewer.shows({ count: 3 }, '2');
  await viewer.shows({ count: 12 });
  await viewer.pane('1').focus();
  const lines = () =>
    page.evaluate(() => {
      const marks = document.querySelector('[data-pane="2"] canvas.marks');
      const { data } = marks.getContext('2d').getImageData(0, 0, marks.width, marks.height);
      let found = 0;
      for (let at = 0; at < data.length; at += 4) if (data[at] < 130 && data[at + 1] > 170 && data[at + 2] > 200 && data[at + 3] > 100) found += 1;
      return found;
    });
  await viewer.pane('1').click({ position: { x: 200, y: 60 } });
  await page.waitForFunction(() => document.querySelector('[data-pane="1"]').classList.contains('active'));
  await viewer.settled();
  // A thin line may lie between two rows of the screen.
  assert.ok((await until(lines, (found) => found > 100)) > 100, 'the line of the active image crosses the other');
  await viewer.picture('compared');
  await viewer.tool('layout');
  await page.locator('[data-layout="2×2"]').click();
  for (const id of ['1', '2', '3', '4']) await viewer.shows({}, id);
  await viewer.picture('four');
  await viewer.tool('layout');
  await page.locator('[data-layout="1×1"]').click();
  await viewer.shows({ count: 12 });

  // Playing, overlay, report, attributes, saving.
  await page.keyboard.press('Home');
  await viewer.shows({ index: 0 });
  await viewer.tool('cine');
  await page.waitForFunction(() => Number(document.querySelector('[data-pane="1"]').dataset.index) >= 3);
  await viewer.tool('cine');
  await page.keyboard.press('o');
  await pane.locator('.corner').first().waitFor({ state: 'detached' });
  await page.keyboard.press('o');
  await viewer.tool('tags');
  await page.locator('.side input').fill('0028,0030');
  await page.locator('.tags', { hasText: '0.5 \\ 0.5' }).waitFor();
  await viewer.tool('help');
  await viewer.picture('help');
  const [download] = await Promise.all([page.waitForEvent('download'), viewer.tool('save')]);
  const bytes = readFileSync(await download.path());
  assert.deepEqual([...bytes.subarray(0, 2)], [0xff, 0xd8]);
  assert.ok(bytes.length > 10_000, 'the saved picture shows something');
  await page.locator('[data-way="report"]').click();
  await page.locator('.side', { hasText: '右肺上叶小结节' }).waitFor();
  await viewer.shows({});
  await viewer.picture('report');
});
