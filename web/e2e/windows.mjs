// Windows where values have no common scale: those that an image brings itself, and its own made harder or softer.
import { address, assert, near, run } from './harness.mjs';

await run('windows', {}, async (page, viewer) => {
  await page.goto(address());
  const choose = async (name) => {
    await viewer.tool('presets');
    await page.locator(`[data-preset="${name}"]`).click();
  };
  const isGray = (wanted, what) => viewer.isGray(39, 39, wanted, what, 96, 96);
  await viewer.open('磁共振', { count: 3, index: 0, width: 600, center: 300 });
  await isGray(166, '390 in its own window');
  await viewer.tool('presets');
  await page.locator('[data-preset="硬"]').waitFor();
  await viewer.picture('offered');
  await page.keyboard.press('Escape');
  await choose('硬');
  await viewer.shows({ index: 0, width: 360, center: 300 });
  await isGray(192, '390, harder');
  // It is a share of what each image brings, not numbers of the first one.
  await page.keyboard.press('ArrowDown');
  await viewer.shows({ index: 1, width: 480, center: 400 });
  await choose('较软');
  await viewer.shows({ index: 1, width: 1000, center: 400 });
  await page.keyboard.press('0');
  await viewer.shows({ index: 1, width: 800, center: 400 });
  // What its maker offers, by name and by key.
  await choose('HARDER');
  await viewer.shows({ index: 1, width: 200, center: 500 });
  await page.keyboard.press('ArrowUp');
  await viewer.shows({ index: 0, width: 200, center: 500 });
  await isGray(0, '390 below it');
  await page.keyboard.press('2');
  await viewer.shows({ index: 0, width: 360, center: 300 });
  await page.keyboard.press('1');
  await viewer.shows({ index: 0, width: 200, center: 500 });
  await page.keyboard.press('Escape');
  await viewer.shows({ index: 0, width: 600, center: 300 });
  // A radiograph without a window has one over its values, and that is made harder.
  await viewer.open('胸片', { count: 1 });
  const [width, center] = [await viewer.number('width'), await viewer.value('center')];
  await choose('较硬');
  await page.waitForFunction((before) => Number(document.querySelector('[data-pane="1"]').dataset.width) < before * 0.9, width);
  near(await viewer.number('width'), width * 0.8, 1, 'four fifths');
  assert.equal(await viewer.value('center'), center);
  // Where numbers mean the same in every image, there are numbers; and a coloured picture has no window at all.
  await viewer.open('平扫', { count: 12, width: 400, center: 40 });
  await viewer.tool('presets');
  await page.locator('[data-preset="肺窗"]').waitFor();
  assert.equal(await page.locator('[data-preset="硬"]').count(), 0);
  await page.keyboard.press('Escape');
  await viewer.open('彩色', { count: 1 });
  await page.locator('[data-tool="presets"]').waitFor({ state: 'detached' });
});
