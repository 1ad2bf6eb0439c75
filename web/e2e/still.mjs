// Nothing jumps, on the ward's old screen and on a phone: while the first images come, when the report, the menus and the panels
// open, and when an earlier exam is put into a pane.
import { faint, nameless, unreached } from './everybody.mjs';
import { address, assert, run } from './harness.mjs';

/** What may move in all (https://web.dev/cls): a fifth of what is called good. */
const MOST = 0.02;

/** In the page, before anything else: adds up what jumps without somebody having just asked for it. */
function watch() {
  window.jumped = { shift: 0, sources: [] };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.hadRecentInput) continue;
      window.jumped.shift += entry.value;
      for (const { node } of entry.sources) window.jumped.sources.push(`${node?.nodeName}.${node?.className} ${entry.value.toFixed(4)}`);
    }
  }).observe({ type: 'layout-shift', buffered: true });
}

for (const [screen, options] of [['ward', { viewport: { width: 1024, height: 768 } }], ['phone', { viewport: { width: 390, height: 844 }, touch: true }]]) {
  await run(`still-${screen}`, options, async (page, viewer) => {
    await page.addInitScript(watch);
    await page.goto(address());
    await viewer.shows({ index: 0, loaded: 12 });
    const isStill = async (what) => {
      await viewer.settled();
      const { shift, sources } = await page.evaluate(() => window.jumped);
      assert.ok(shift < MOST, `${what}: jumps by ${shift.toFixed(3)}: ${sources.join(', ')}`);
    };
    const decoded = (selector) => page.locator(selector).first().evaluate((image) => image.decode());
    await decoded('.thumbnail img');
    await isStill('the first images');

    await page.locator('[data-way="report"]').click();
    await decoded('.side img.page');
    await isStill('the report');
    const side = page.locator('.side');
    await side.getByRole('button', { name: '关闭' }).click();
    await side.waitFor({ state: 'detached' });
    for (const menu of ['presets', 'layout']) {
      await viewer.tool(menu);
      await page.locator('[role="menu"]').waitFor();
      await page.keyboard.press('Escape');
      await page.locator('[role="menu"]').waitFor({ state: 'detached' });
    }
    await isStill('the menus');
    await viewer.tool('tags');
    await side.getByRole('button', { name: '关闭' }).click();
    await side.waitFor({ state: 'detached' });
    await isStill('the attributes');

    // An earlier exam: its series come into the strip, one of them into the pane.
    await page.locator('.prior > button').click();
    const earlier = page.locator('.prior .thumbnail');
    await earlier.first().scrollIntoViewIfNeeded();
    await decoded('.prior .thumbnail img');
    await isStill('the series of an earlier exam');
    await earlier.first().click();
    await page.locator('[data-pane="1"] .corner.tr', { hasText: '2026-09-03' }).waitFor();
    await viewer.shows({ index: 0, count: 12, loaded: 12 });
    await isStill('an earlier exam');
    await viewer.picture('earlier');
    assert.deepEqual([...(await nameless(page)), ...(await faint(page)), ...(await unreached(page))], [], screen);
  });
}
