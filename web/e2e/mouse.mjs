// Which tool hangs on which button: as usual, as the reader wants it, the next time as well, and without storage.
import { address, assert, renderer, run } from './harness.mjs';

const drags = (page, viewer) => async (button, [right, down], from = [128, 128]) => {
  const [x, y] = await viewer.at(...from);
  await viewer.drag([x, y], [x + right, y + down], button);
};
const changes = (page, name, before) => page.waitForFunction(([key, was]) => document.querySelector('[data-pane="1"]').getAttribute(`data-${key}`) !== was, [name, before]);
const set = (page, button, name) => page.locator(`select[data-mouse="${button}"]`).selectOption(name);
const kept = (page) => page.evaluate(() => localStorage.getItem('yingku.mouse'));

await run('mouse', {}, async (page, viewer) => {
  await page.goto(address());
  await viewer.shows({ index: 0, loaded: 12, width: 400 });
  const drag = drags(page, viewer);
  // As usual: the right button zooms, the wheel leafs.
  let zoom = await viewer.value('zoom');
  await drag('right', [0, 60]);
  await changes(page, 'zoom', zoom);
  await page.keyboard.press('Escape');
  await viewer.shows({ zoom, width: 400 });
  assert.equal(await kept(page), null, 'nothing is kept of what nobody changed');

  await viewer.tool('help');
  await set(page, 'right', 'window');
  await set(page, 'middle', 'scroll');
  await set(page, 'wheel', 'zoom');
  await set(page, 'left', 'length');
  await page.locator('[data-tool="length"][aria-pressed="true"]').waitFor();
  await viewer.picture('habits');
  await page.keyboard.press('x');
  await viewer.shows({ zoom: '1.000' });
  zoom = '1.000';
  await drag('right', [80, 0]);
  await page.waitForFunction(() => Number(document.querySelector('[data-pane="1"]').dataset.width) > 450);
  const width = await viewer.value('width');
  assert.equal(await viewer.value('zoom'), zoom, 'it no longer zooms');
  await page.mouse.move(...(await viewer.at(60, 60)));
  await page.mouse.wheel(0, 120);
  await changes(page, 'zoom', zoom);
  await viewer.shows({ index: 0, width });
  await page.keyboard.press('f');
  await drag('middle', [0, 90]);
  await page.waitForFunction(() => Number(document.querySelector('[data-pane="1"]').dataset.index) > 0);
  // The window is the reader's own: it outlasts leafing.
  assert.equal(await viewer.value('width'), width);
  assert.deepEqual(JSON.parse(await kept(page)), { left: 'length', middle: 'scroll', right: 'window', wheel: 'zoom' });

  // The next time.
  await page.reload();
  await viewer.shows({ index: 0, width: 400 });
  await page.locator('[data-tool="length"][aria-pressed="true"]').waitFor();
  await drag('left', [64, 0]);
  assert.ok((await viewer.measured('([\\d.]+) mm')) > 5);
  // Not from the end of the line, which would come along.
  await drag('right', [80, 0], [40, 200]);
  await page.waitForFunction(() => Number(document.querySelector('[data-pane="1"]').dataset.width) > 450);

  // On planes it is the same.
  if (renderer === 'gpu') {
    await viewer.tool('mpr');
    await page.locator('[data-volume="shown"]').waitFor();
    const plane = page.locator('[data-plane="axial"]');
    const { index, scale } = await plane.evaluate((element) => ({ ...element.dataset }));
    const box = await plane.boundingBox();
    await page.mouse.move(box.x + 100, box.y + 100);
    await page.mouse.wheel(0, 120);
    await page.waitForFunction((before) => document.querySelector('[data-plane="axial"]').dataset.scale !== before, scale);
    assert.equal(await plane.getAttribute('data-index'), index, 'the wheel zooms, and does not leaf');
    await viewer.drag([box.x + 100, box.y + 100], [box.x + 180, box.y + 100], 'right');
    await page.waitForFunction(() => Number(document.querySelector('[data-plane="coronal"]').dataset.width) > 420);
    await page.keyboard.press('Escape');
    await page.locator('[data-volume]').waitFor({ state: 'detached' });
  }

  // And as usual again.
  await viewer.tool('help');
  await page.locator('button[data-mouse="usual"]').click();
  await page.locator('[data-tool="window"][aria-pressed="true"]').waitFor();
  assert.equal(await page.locator('select[data-mouse="wheel"]').inputValue(), 'scroll');
  assert.equal(await kept(page), null);
  await page.mouse.move(...(await viewer.at(60, 60)));
  await page.mouse.wheel(0, 120);
  await viewer.shows({ index: 1 });
  // What something else has left there is not taken.
  await page.evaluate(() => localStorage.setItem('yingku.mouse', '{"left":"laser","wheel":7,"right":"pan"'));
  await page.reload();
  await viewer.shows({ index: 0 });
  await page.locator('[data-tool="window"][aria-pressed="true"]').waitFor();
});

await run('mouse-without-storage', {}, async (page, viewer) => {
  await page.addInitScript(() => Object.defineProperty(window, 'localStorage', { get: () => { throw new DOMException('denied', 'SecurityError'); } }));
  await page.goto(address());
  await viewer.shows({ index: 0, loaded: 12, width: 400 });
  await viewer.tool('help');
  await set(page, 'right', 'window');
  await drags(page, viewer)('right', [80, 0]);
  await page.waitForFunction(() => Number(document.querySelector('[data-pane="1"]').dataset.width) > 450);
});
