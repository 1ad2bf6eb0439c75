// Two exams side by side: leafed together and apart, played as fast as is wanted, on the whole screen.
import { address, assert, run } from './harness.mjs';

await run('beside', {}, async (page, viewer) => {
  await page.goto(address());
  await viewer.shows({ index: 0, loaded: 12 });
  await viewer.tool('layout');
  await page.locator('[data-layout="1×2"]').click();
  await viewer.shows({}, '2');
  await viewer.pane('2').focus();
  await page.locator('.prior > button').click();
  const series = await page.locator('.prior .thumbnail').first().getAttribute('data-series');
  await page.locator('.prior .thumbnail').first().click();
  await viewer.shows({ series, count: 12, index: 0 }, '2');
  await page.locator('[data-pane="2"] .corner.tr', { hasText: '2026-09-03' }).waitFor();
  assert.ok((await viewer.pane('1').textContent()).includes('2026-09-02'), 'each says whose it is');

  // Apart: only the one that is looked at.
  const look = async (id) => {
    await viewer.pane(id).focus();
    await page.locator(`[data-pane="${id}"].active`).waitFor();
  };
  await look('1');
  await page.keyboard.press('ArrowDown');
  await viewer.shows({ index: 1 });
  await viewer.shows({ index: 0 }, '2');
  // Together: to the slice at the same place, whichever of both is leafed; the window stays each one's own.
  await viewer.tool('linked');
  await look('1');
  await page.keyboard.press('PageDown');
  await viewer.shows({ index: 11 });
  await viewer.shows({ index: 11 }, '2');
  await look('2');
  await page.mouse.move(...(await viewer.at(128, 128, 256, 256, '2')));
  await page.mouse.wheel(0, -120);
  await viewer.shows({ index: 10 }, '2');
  await viewer.shows({ index: 10 });
  await page.keyboard.press('3');
  await viewer.shows({ width: 1500, center: -600 }, '2');
  assert.equal(await viewer.value('width'), '400');
  await viewer.picture('together');
  // Another direction has no slice at that place: by as large a part of the way.
  await page.locator('.prior .thumbnail', { hasText: '矢状位' }).click();
  await viewer.shows({ count: 3 }, '2');
  await look('1');
  await page.keyboard.press('Home');
  await viewer.shows({ index: 0 }, '2');
  await page.keyboard.press('End');
  await viewer.shows({ index: 11 });
  await viewer.shows({ index: 2 }, '2');
  await viewer.tool('linked');
  await look('1');
  await page.keyboard.press('Home');
  await viewer.shows({ index: 0 });
  assert.equal(await viewer.value('index', '2'), '2', 'apart again');
  await viewer.tool('layout');
  await page.locator('[data-layout="1×1"]').click();
  await viewer.shows({ count: 12, loaded: 12 });

  // Played as fast as is wanted: never faster, and slower when that is asked for.
  const steps = (count) =>
    page.evaluate((wanted) => new Promise((resolve) => {
      const pane = document.querySelector('[data-pane="1"]');
      let begun = 0;
      let seen = 0;
      let last = pane.dataset.index;
      const observer = new MutationObserver(() => {
        if (pane.dataset.index === last) return;
        last = pane.dataset.index;
        begun ||= performance.now();
        if (seen === wanted) {
          observer.disconnect();
          resolve(performance.now() - begun);
        }
        seen += 1;
      });
      observer.observe(pane, { attributes: true, attributeFilter: ['data-index'] });
    }), count);
  const speed = page.locator('.speed input');
  // So slowly that a loaded machine draws faster.
  await speed.fill('1');
  await viewer.tool('cine');
  const slow = await steps(6);
  assert.ok(slow > 5200, `six steps at one a second took ${slow} ms`);
  await speed.fill('30');
  const fast = await steps(6);
  assert.ok(fast < slow * 0.8, `at thirty a second they took ${fast} ms, at one ${slow} ms`);
  await viewer.tool('cine');
  await page.locator('[data-tool="cine"][aria-pressed="false"]').waitFor();

  // The whole screen, and back.
  await page.locator('[data-way="full"]').click();
  await page.waitForFunction(() => document.fullscreenElement === document.documentElement);
  await viewer.shows({ count: 12 });
  await page.locator('[data-way="full"]').click();
  await page.waitForFunction(() => document.fullscreenElement === null);
});
