// With what is drawn: chosen by the machine, changed by the reader, kept for the tab, given up when it fails.
import { assert, renderer, required, run } from './harness.mjs';

/** In the page, before anything else: remembers what is drawn with, which Cornerstone keeps outside of the page's tree. */
function remember() {
  window.drawn = [];
  for (const kind of [HTMLCanvasElement, OffscreenCanvas]) {
    const own = kind.prototype.getContext;
    kind.prototype.getContext = function (type, ...more) {
      const context = own.call(this, type, ...more);
      if (context && /webgl/.test(type) && !window.drawn.includes(context)) window.drawn.push(context);
      return context;
    };
  }
}

await run('renderer', {}, async (page, viewer, context) => {
  await page.addInitScript(remember);
  const drawnBy = (which) => page.locator(`.viewer[data-renderer="${which}"]`).waitFor();
  await page.goto(required('URL'));
  // All of it: what is still on its way is cut off when the page goes.
  await viewer.shows({ index: 0, loaded: 12 });
  // Emulated or absent: plain drawing is the faster one.
  await drawnBy('cpu');
  const button = page.locator('[data-tool="gpu"]');
  if (renderer === 'cpu') {
    assert.equal(await button.count(), 0, 'nothing to choose where there is no WebGL at all');
    return;
  }
  assert.equal(await button.getAttribute('aria-pressed'), 'false');
  assert.equal(await page.locator('[data-tool="mpr"]').count(), 0);
  await button.click();
  await drawnBy('gpu');
  await viewer.shows({ index: 0, loaded: 12 });
  assert.equal(await button.getAttribute('aria-pressed'), 'true');
  assert.equal(await page.locator('[data-tool="mpr"]').count(), 1);
  await page.goto(required('URL'));
  await drawnBy('gpu');
  await viewer.shows({ index: 0, loaded: 12 });
  assert.deepEqual(await context.cookies(), [], 'remembered without a cookie');
  await viewer.picture('chosen');
  // The driver fails while images are looked at.
  const lost = await page.evaluate(() => {
    const alive = window.drawn.filter((gl) => !gl.isContextLost());
    alive.forEach((gl) => gl.getExtension('WEBGL_lose_context').loseContext());
    return alive.length;
  });
  assert.ok(lost > 0, 'something is drawn by WebGL');
  await drawnBy('cpu');
  await viewer.shows({ index: 0 });
  await page.waitForURL(/render=cpu/);
  await viewer.picture('fallen-back');
});
