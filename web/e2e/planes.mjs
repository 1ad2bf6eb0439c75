// Three planes at work: letters that agree with what is seen, places, windows of all planes together, lengths in millimetres.
//
// The block of the phantom is 48 × 30 × 36 mm and lies to the left, behind and above the middle of a volume of air.
import { faint, nameless, unreached } from './everybody.mjs';
import { address, assert, fingers, near, renderer, run, seenIn, serious } from './harness.mjs';

const PLANES = ['axial', 'sagittal', 'coronal'];

/** Waits for attributes of a plane. */
const shows = async (page, plane, wanted) => {
  const check = ([name, list]) => {
    const element = document.querySelector(`[data-plane="${name}"]`);
    return element !== null && Object.entries(list).every(([key, value]) => element.getAttribute(`data-${key}`) === String(value));
  };
  await page.waitForFunction(check, [plane, wanted]).catch(async (error) => {
    const found = await page.locator(`[data-plane="${plane}"]`).evaluate((element) => ({ ...element.dataset }));
    throw new Error(`${plane} does not show ${JSON.stringify(wanted)} but ${JSON.stringify(found)}: ${error.message}`);
  });
};
const number = async (page, plane, name) => Number(await page.locator(`[data-plane="${plane}"]`).getAttribute(`data-${name}`));

const seen = (page, plane, level) => seenIn(page, `[data-plane="${plane}"] .image canvas`, level);

/** Waits until what is seen in a plane is as wanted. */
async function until(page, plane, level, isWanted, what) {
  let found;
  for (let attempt = 0; attempt < 600; attempt += 1) {
    found = await seen(page, plane, level);
    if (isWanted(found)) return found;
    await page.waitForTimeout(100);
  }
  return assert.fail(`${what} in ${plane}: ${JSON.stringify(found)}`);
}

/** The last length that is written in a plane. */
async function measured(page, plane, pattern = '([\\d.]+) mm') {
  const read = ([name, source]) => {
    const lines = [...document.querySelectorAll(`[data-plane="${name}"] svg.svg-layer tspan`)].map((line) => line.textContent);
    return lines.map((line) => new RegExp(`^${source}$`).exec(line)?.[1]).filter(Boolean).pop();
  };
  const found = await page.waitForFunction(read, [plane, pattern]).catch(async (error) => {
    throw new Error(`${pattern} is not in ${await page.locator(`[data-plane="${plane}"] svg.svg-layer`).textContent()}: ${error.message}`);
  });
  return Number(await found.jsonValue());
}

const tool = (page, name) => page.locator(`[data-plane-tool="${name}"]`).click();

/** Half of the way from air to the block, under the window of the lungs. */
const HALF = 153;

async function toPlanes(page, viewer) {
  await page.goto(address());
  await viewer.open('方块', { count: 40, loaded: 40 });
  await viewer.tool('mpr');
  await page.locator('[data-volume="shown"]').waitFor();
  for (const plane of PLANES) await shows(page, plane, { width: 400, center: 40 });
}

if (renderer === 'cpu') {
  await run('planes', {}, async (page, viewer) => {
    await page.goto(address());
    await viewer.open('方块', { count: 40 });
    assert.equal(await page.locator('[data-tool="mpr"]').count(), 0, 'planes need a graphics processor, and are not offered without');
  });
} else {
  await run('planes', {}, desk);
  await run('planes-phone', { viewport: { width: 390, height: 844 }, touch: true }, phone);
}

async function desk(page, viewer) {
  await toPlanes(page, viewer);
  await shows(page, 'axial', { count: 40, sides: 'L R P A' });
  await shows(page, 'sagittal', { count: 96, sides: 'P A F H' });
  await shows(page, 'coronal', { count: 96, sides: 'L R F H' });

  // Leafing says where one is; the keys go to the plane that is looked at.
  await page.keyboard.press('Home');
  await shows(page, 'axial', { index: 0, place: 'H 57.0 mm', active: true });
  await page.keyboard.press('End');
  await shows(page, 'axial', { index: 39, place: 'F 60.0 mm' });
  await page.keyboard.press('PageUp');
  await page.keyboard.press('PageUp');
  await page.keyboard.press('PageUp');
  await shows(page, 'axial', { index: 9, place: 'H 30.0 mm' });
  await page.keyboard.press('3');
  for (const plane of PLANES) await shows(page, plane, { width: 1500, center: -600 });
  // The block is where the letters say: left and behind.
  const block = await until(page, 'axial', HALF, (box) => box !== null && box.middle > 240, 'the block');
  assert.ok(block.x > block.around.x + 20 && block.y > block.around.y + 20, 'towards L and P');
  const wheel = await page.locator('[data-plane="axial"]').boundingBox();
  await page.mouse.move(wheel.x + 60, wheel.y + 60);
  await page.mouse.wheel(0, 120);
  await shows(page, 'axial', { index: 10, place: 'H 27.0 mm' });
  const slider = await page.locator('[data-plane="axial"] [role="slider"]').boundingBox();
  await page.mouse.click(slider.x + slider.width / 2, slider.y + 2);
  await shows(page, 'axial', { index: 0 });
  await page.keyboard.press('PageDown');
  await shows(page, 'axial', { index: 10 });

  // The crosshairs bring the others to the point that is pressed.
  await page.mouse.click(block.x, block.y);
  const above = await until(page, 'coronal', HALF, (box) => box !== null, 'the block');
  assert.ok(above.x > above.around.x + 10 && above.y < above.around.y - 10, 'towards L and H');
  const behind = await until(page, 'sagittal', HALF, (box) => box !== null, 'the block');
  assert.ok(behind.x > behind.around.x + 5 && behind.y < behind.around.y - 5, 'towards P and H');
  const place = await page.locator('[data-plane="sagittal"]').getAttribute('data-place');
  near(Number(/^L ([\d.]+) mm$/.exec(place)?.[1]), 34.25, 1, 'the middle of the block');
  await viewer.picture('block');

  // Lengths are those of the patient, whatever the shape of a voxel.
  await tool(page, 'length');
  const across = { axial: 48, coronal: 48, sagittal: 30 };
  const along = { axial: 30, coronal: 36, sagittal: 36 };
  for (const plane of PLANES) {
    const box = await seen(page, plane, HALF);
    await viewer.drag([box.left, box.y + 7], [box.right, box.y + 7]);
    near(await measured(page, plane), across[plane], 1, `${plane} across`);
    await viewer.drag([box.x + 9, box.top], [box.x + 9, box.bottom]);
    near(await measured(page, plane), along[plane], 1, `${plane} along`);
  }
  await viewer.picture('lengths');
  await tool(page, 'erase');
  await page.waitForFunction(() => ![...document.querySelectorAll('.plane tspan')].some((line) => /mm/.test(line.textContent)));

  // One window for all: dragged, by keys, by the list; and the grey follows.
  await page.keyboard.press('0');
  for (const plane of PLANES) await shows(page, plane, { width: 400, center: 40 });
  near((await until(page, 'coronal', 90, (box) => box !== null && box.middle < 200, 'grey of 100 HU')).middle, 166, 2, 'the grey');
  await page.keyboard.press('w');
  await viewer.drag([block.around.x - 150, block.around.y], [block.around.x - 70, block.around.y]);
  const dragged = await number(page, 'axial', 'width');
  assert.ok(dragged > 420, `dragging widens the window: ${dragged}`);
  for (const plane of PLANES) await shows(page, plane, { width: dragged, center: 40 });
  await page.keyboard.press('0');
  await shows(page, 'axial', { width: 400, center: 40 });
  await page.keyboard.press('Shift+ArrowRight');
  for (const plane of PLANES) await shows(page, plane, { width: 420, center: 40 });
  await page.locator('.volume [data-tool="presets"]').click();
  await page.locator('[data-preset="骨窗"]').click();
  for (const plane of PLANES) await shows(page, plane, { width: 2000, center: 500 });
  await page.keyboard.press('3');
  await shows(page, 'axial', { width: 1500, center: -600 });

  // Zoom and pan are those of one plane; fitting takes them back.
  const fitted = await until(page, 'axial', HALF, (box) => box !== null, 'the block');
  const [scale, other] = [await number(page, 'axial', 'scale'), await number(page, 'coronal', 'scale')];
  await page.locator('[data-plane="axial"]').focus();
  await page.keyboard.press('+');
  await page.waitForFunction((least) => Number(document.querySelector('[data-plane="axial"]').dataset.scale) > least, scale * 1.2);
  near((await number(page, 'axial', 'scale')) / scale, 1.25, 0.01, 'a quarter larger');
  assert.equal(await number(page, 'coronal', 'scale'), other);
  await page.keyboard.press('f');
  await page.waitForFunction((most) => Number(document.querySelector('[data-plane="axial"]').dataset.scale) < most, scale * 1.01);
  await viewer.drag([fitted.around.x - 200, fitted.around.y], [fitted.around.x - 140, fitted.around.y + 40], 'middle');
  await until(page, 'axial', HALF, (box) => box !== null && Math.abs(box.x - fitted.x - 60) < 3 && Math.abs(box.y - fitted.y - 40) < 3, 'moved by as much as was dragged');
  await page.keyboard.press('f');
  await until(page, 'axial', HALF, (box) => box !== null && Math.abs(box.x - fitted.x) < 2 && Math.abs(box.y - fitted.y) < 2, 'back in its place');
  await viewer.drag([fitted.around.x - 200, fitted.around.y], [fitted.around.x - 200, fitted.around.y + 60], 'right');
  await page.waitForFunction((before) => Math.abs(Number(document.querySelector('[data-plane="axial"]').dataset.scale) / before - 1) > 0.1, scale);
  await page.keyboard.press('f');

  // A thick slab brings what lies within half of it to either side, as bright as it is; a length through it says that it is one.
  await page.keyboard.press('Home');
  await page.keyboard.press('PageDown');
  for (let step = 0; step < 9; step += 1) await page.keyboard.press('ArrowDown');
  await shows(page, 'axial', { index: 19, place: '0.0 mm' });
  await until(page, 'axial', HALF, (box) => box === null, 'nothing below the block');
  const leafs = async (key, times, wanted) => {
    for (let step = 0; step < times; step += 1) await page.keyboard.press(key);
    await shows(page, 'axial', wanted);
  };
  const isBlock = (box) => box !== null && Math.abs(box.middle - 247) <= 2;
  await page.keyboard.press('t');
  await page.locator('[data-slab="10"]').waitFor();
  await leafs('ArrowUp', 3, { index: 16, place: 'H 9.0 mm' });
  await until(page, 'axial', HALF, isBlock, 'the block three millimetres above, through 10 mm');
  await viewer.picture('thin-slab');
  await leafs('ArrowDown', 2, { index: 18, place: 'H 3.0 mm' });
  await until(page, 'axial', HALF, (box) => box === null, 'not what lies nine millimetres above');
  await page.keyboard.press('t');
  await page.locator('[data-slab="30"]').waitFor();
  await until(page, 'axial', HALF, isBlock, 'but through 30 mm');
  await leafs('ArrowDown', 3, { index: 21, place: 'F 6.0 mm' });
  await until(page, 'axial', HALF, (box) => box === null, 'not what lies eighteen millimetres above');
  await leafs('ArrowUp', 2, { index: 19, place: '0.0 mm' });
  const projected = await until(page, 'axial', HALF, isBlock, 'the block through 30 mm');
  await page.keyboard.press('l');
  await viewer.drag([projected.left, projected.y + 5], [projected.right, projected.y + 5]);
  near(await measured(page, 'axial', '([\\d.]+) mm \\(投影\\)'), 48, 1, 'across, projected');
  await viewer.picture('slab');
  await page.keyboard.press('t');
  await page.locator('[data-slab="0"]').waitFor();
  await until(page, 'axial', HALF, (box) => box === null, 'a slice again');

  // One plane alone, and back.
  await page.locator('[data-way="large-coronal"]').click();
  await page.waitForFunction(() => document.querySelector('[data-plane="coronal"]').getBoundingClientRect().width > 1200);
  await until(page, 'coronal', HALF, (box) => box !== null && box.right - box.left > 150, 'a large block');
  await viewer.picture('large');
  await page.locator('[data-way="large-coronal"]').click();
  await page.waitForFunction(() => document.querySelector('[data-plane="coronal"]').getBoundingClientRect().width < 600);
  await tool(page, 'help');
  await page.locator('.volume .side').waitFor();
  await viewer.picture('help');
  assert.deepEqual([...(await serious(page)), ...(await nameless(page)), ...(await faint(page)), ...(await unreached(page))], [], 'for everybody');
  await page.locator('[data-way="back"]').click();
  await page.locator('[data-volume]').waitFor({ state: 'detached' });
  await viewer.shows({ count: 40, width: 400, center: 40 });
  // What was measured on planes is not taken for a measurement of a slice, nor the other way round.
  await page.keyboard.press('l');
  await viewer.drag(await viewer.at(54, 30, 96, 96), await viewer.at(86, 30, 96, 96));
  near(await viewer.measured('([\\d.]+) mm'), 48, 1, 'on the slice');
  assert.equal(await viewer.pane().locator('svg.svg-layer tspan').count(), 1);
  await viewer.tool('mpr');
  await page.locator('[data-volume="shown"]').waitFor();
  await until(page, 'axial', 0, (box) => box !== null, 'the planes');
  assert.equal(await page.locator('.plane tspan', { hasText: 'mm' }).count(), 0);
  await page.keyboard.press('Escape');
  await page.locator('[data-volume]').waitFor({ state: 'detached' });
  near(await viewer.measured('([\\d.]+) mm'), 48, 1, 'still on the slice');

  // Slices that a tilted gantry has moved sideways are no block.
  await viewer.open('倾斜', { count: 12 });
  await page.locator('[data-tool="mpr"]').waitFor({ state: 'detached' });
}

async function phone(page, viewer, context) {
  await toPlanes(page, viewer);
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390, 'nothing runs over the edge');
  const { drag } = await fingers(page, context);
  await page.keyboard.press('Home');
  await page.keyboard.press('PageDown');
  await shows(page, 'axial', { index: 10 });
  const block = await until(page, 'axial', 90, (box) => box !== null, 'the block');
  await viewer.picture('first');
  // One finger brings the others to where it is.
  await drag([[block.x - 20, block.y]], [[block.x, block.y]]);
  await until(page, 'coronal', 90, (box) => box !== null, 'the block');
  await until(page, 'sagittal', 90, (box) => box !== null, 'the block');
  // Two fingers make it larger, and carry it along.
  const scale = await number(page, 'axial', 'scale');
  const place = await page.locator('[data-plane="coronal"]').getAttribute('data-place');
  const { x, y } = block.around;
  await drag([[x - 30, y], [x + 30, y]], [[x - 90, y], [x + 90, y]]);
  await page.waitForFunction((before) => Number(document.querySelector('[data-plane="axial"]').dataset.scale) > before * 1.2, scale);
  await viewer.settled();
  await shows(page, 'coronal', { place });
  await shows(page, 'axial', { index: 10 });
  await viewer.picture('zoomed');
  // Two fingers that keep their distance carry it along.
  const before = await until(page, 'axial', 90, (box) => box !== null, 'the block');
  await drag([[x - 40, y], [x + 40, y]], [[x - 100, y - 40], [x - 20, y - 40]]);
  await until(page, 'axial', 90, (box) => box !== null && box.left < before.left - 30 && box.top < before.top - 20, 'carried along');
  await shows(page, 'coronal', { place });
  await page.locator('[data-way="large-coronal"]').tap();
  await page.waitForFunction(() => document.querySelector('[data-plane="coronal"]').getBoundingClientRect().width > 380);
  await viewer.picture('large');
}
