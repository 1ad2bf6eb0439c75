// Key images: marked, named, and stepped through from series to series.
import { address, assert, run } from './harness.mjs';

await run('keys', {}, async (page, viewer) => {
  await page.goto(address());
  await viewer.shows({ index: 0, count: 12 });
  assert.equal(await page.locator('[data-key]').count(), 0);
  await page.keyboard.press('k');
  await viewer.shows({ index: 5, count: 12 });
  const mark = page.locator('[data-key="2.25.7000.1.6"]');
  const words = await mark.textContent();
  assert.ok(words.includes('关注影像') && words.includes('结节 <b>复查</b>'), words);
  await viewer.picture('first');
  await viewer.tool('keys');
  await viewer.shows({ index: 1, count: 3, series: '2.25.7000.2' });
  await page.locator('[data-key="2.25.7000.2.2"]').waitFor();
  await page.keyboard.press('k');
  await viewer.shows({ index: 5, count: 12, series: '2.25.7000.1' });
  await page.keyboard.press('ArrowUp');
  await viewer.shows({ index: 4 });
  await page.locator('[data-key]').waitFor({ state: 'detached' });
});
