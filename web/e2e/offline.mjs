// The line goes down and comes back: said at once, nothing lost, tried again by the reader or by itself.
import { address, assert, run } from './harness.mjs';

const tolerated = (text) => /ERR_(FAILED|INTERNET_DISCONNECTED)/.test(text);

await run('offline', { tolerated }, async (page, viewer, context) => {
  await page.goto(address());
  await viewer.shows({ index: 0, loaded: 12 });
  const cut = (route) => route.abort('failed');
  await page.route('**/t/**', cut);
  await page.route('**/static/viewer/**', cut);
  await page.locator('.thumbnail', { hasText: '矢状位' }).click();
  const banner = page.locator('[data-offline]');
  await banner.waitFor();
  assert.ok((await banner.textContent()).includes('网络连接已断开'));
  await page.locator('[data-pane="1"][data-state="failed"]').waitFor();
  await viewer.picture('cut');
  // What is there already can still be looked at.
  await page.locator('.thumbnail', { hasText: '平扫' }).click();
  await viewer.shows({ count: 12 });
  await page.keyboard.press('ArrowDown');
  await viewer.shows({ index: 1 });
  await page.locator('.thumbnail', { hasText: '矢状位' }).click();
  await page.locator('[data-pane="1"][data-state="failed"]').waitFor();
  // The reader tries in vain, then with success.
  const refused = page.waitForEvent('requestfailed');
  await banner.locator('button').click();
  await refused;
  await page.locator('[data-pane="1"][data-state="failed"]').waitFor();
  assert.equal(await banner.count(), 1);
  await page.unroute('**/t/**', cut);
  await page.unroute('**/static/viewer/**', cut);
  // It is asked for every few seconds anyway: whichever comes first.
  await Promise.race([banner.locator('button').click().catch(() => undefined), banner.waitFor({ state: 'detached' })]);
  await viewer.shows({ count: 3 });
  await banner.waitFor({ state: 'detached' });
  // And the browser's own word that the line is back is enough.
  await context.setOffline(true);
  await page.locator('.thumbnail', { hasText: '胸片' }).click();
  await banner.waitFor();
  await context.setOffline(false);
  await viewer.shows({ count: 1 });
  await banner.waitFor({ state: 'detached' });
  await viewer.picture('back');
});
