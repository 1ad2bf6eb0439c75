// For everybody: no finding of axe on any state of the page but trifles, everything reachable by keys, the focus seen.
import { faint, nameless, unreached } from './everybody.mjs';
import { address, assert, run, serious, until } from './harness.mjs';

await run('access', {}, async (page, viewer) => {
  await page.goto(address());
  await viewer.shows({ index: 0, loaded: 12 });
  const check = async (what) => assert.deepEqual([...(await serious(page)), ...(await nameless(page)), ...(await faint(page))], [], what);
  const reach = async (what) => assert.deepEqual(await unreached(page), [], `by keys: ${what}`);
  await check('the page as it opens');
  await reach('the page as it opens');
  await viewer.tool('presets');
  await check('an open menu');
  // The menu has the focus,
  await page.locator('[role="menuitemradio"]:focus').waitFor();
  for (const key of ['ArrowDown', 'ArrowDown', 'Enter']) await page.keyboard.press(key);
  await viewer.shows({ width: 350, center: 50 });
  // and gives it back.
  await page.locator('[data-tool="presets"]:focus').waitFor();
  await viewer.tool('presets');
  await page.keyboard.press('Escape');
  await page.locator('[role="menu"]').waitFor({ state: 'detached' });
  for (const panel of ['tags', 'help']) {
    await viewer.tool(panel);
    await check(panel);
    await reach(panel);
  }
  await page.locator('[data-way="report"]').click();
  await check('the report');

  // Each tool by its key, said to those who do not see it.
  await viewer.pane().focus();
  for (const [key, tool] of Object.entries({ w: 'window', s: 'scroll', p: 'pan', z: 'zoom', l: 'length', a: 'angle', e: 'ellipse', b: 'rectangle', m: 'magnify' })) {
    await page.keyboard.press(key);
    await page.locator(`[data-tool="${tool}"][aria-pressed="true"]`).waitFor();
    assert.equal(await page.locator('.toolbar [aria-pressed="true"].tool:not([data-tool="lines"]):not([data-tool="overlay"]):not([data-tool="gpu"])').count(), 1, `${tool} alone is pressed`);
  }
  // Arrows with Shift do what dragging does.
  await page.keyboard.press('0');
  await viewer.shows({ width: 400, center: 40 });
  await page.keyboard.press('w');
  await page.keyboard.press('Shift+ArrowRight');
  await viewer.shows({ width: 420, center: 40 });
  await page.keyboard.press('Shift+ArrowDown');
  await viewer.shows({ width: 420, center: 61 });
  await page.keyboard.press('Escape');
  const zoom = await viewer.number('zoom');
  await page.keyboard.press('z');
  await page.keyboard.press('Shift+ArrowUp');
  await page.waitForFunction((before) => Number(document.querySelector('[data-pane="1"]').dataset.zoom) > before * 1.05, zoom);

  // Measuring without a mouse: what is measured is what the steps add up to.
  const press = async (...keys) => {
    for (const [key, times] of keys) for (let time = 0; time < times; time += 1) await page.keyboard.press(key);
  };
  const near = (value, wanted, by, what) => assert.ok(Math.abs(value - wanted) <= by, `${what}: ${value} is not ${wanted} ± ${by}`);
  await press(['Escape', 1], ['x', 1]);
  await viewer.shows({ zoom: '1.000', index: 0 });
  await press(['l', 1], ['Enter', 1], ['ArrowLeft', 4], ['Enter', 1], ['ArrowRight', 8]);
  const said = () => page.locator('.viewer > [role="status"]').first().textContent();
  assert.equal((await until(said, (text) => text.trim() === '长度 设点 1 / 2')).trim(), '长度 设点 1 / 2');
  await viewer.picture('cross');
  await press(['Enter', 1]);
  near(await viewer.measured('([\\d.]+) mm'), 40, 0.6, 'eighty steps of half a millimetre');
  await press(['b', 1], ['Enter', 1], ['ArrowLeft', 2], ['ArrowUp', 2], ['Enter', 1], ['ArrowRight', 4], ['ArrowDown', 4], ['Enter', 1]);
  near(await viewer.measured('均值 (-?[\\d.]+) HU'), 100, 0.01, 'the block');
  near(await viewer.measured('面积 ([\\d.]+) mm²'), 400, 20, 'its area');
  await press(['a', 1], ['Enter', 2], ['ArrowUp', 6], ['Enter', 1], ['ArrowLeft', 6], ['Enter', 1]);
  near(await viewer.measured('([\\d.]+)°'), 90, 0.5, 'a right angle');
  await press(['e', 1], ['Enter', 1], ['Shift+ArrowLeft', 3], ['Escape', 1]);
  // Escape leaves it.
  await page.locator('svg.cross').waitFor({ state: 'detached' });
  await viewer.shows({ zoom: '1.000', index: 0 });
  await viewer.picture('measured');

  // The way through the page by Tab alone: everything has a name, and the focus can be seen.
  await page.locator('[data-way="report"]').focus();
  const seen = new Set();
  for (let step = 0; step < 90; step += 1) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) return null;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      const name = element.getAttribute('aria-label') || element.textContent.trim() || element.getAttribute('title') || '';
      return { name, ring: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2, key: element.dataset.tool ?? element.dataset.pane ?? element.dataset.series ?? element.getAttribute('role') ?? element.tagName };
    });
    if (!at) break;
    assert.ok(at.name, `${at.key} has a name`);
    assert.ok(at.ring, `${at.key} shows the focus`);
    seen.add(at.key);
  }
  for (const key of ['window', 'magnify', 'layout', 'help', '2.25.7000.1', '1', 'slider']) assert.ok(seen.has(key), `${key} is reached by Tab: ${[...seen]}`);
});
