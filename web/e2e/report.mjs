// The report beside the images: of the exam that is looked at, as words and as pages, open where there is room.
import { address, assert, run } from './harness.mjs';

await run('report', {}, async (page, viewer) => {
  // What the server may say of an exam that is put beside the first.
  await page.route('**/viewer.json', async (route) => {
    const described = await (await route.fetch()).json();
    const body = JSON.stringify({ ...described, exam: { ...described.exam, critical: true } });
    return route.fulfill({ contentType: 'application/json', body });
  });
  await page.goto(address());
  await viewer.shows({ loaded: 12 });
  const side = page.locator('.side');
  const labels = async (of) => (await page.locator(`${of} .label`).allInnerTexts()).join(' ');
  assert.equal(await labels('.bar'), '已修订', 'the state of the report stands beside the name');
  assert.equal(await labels('.side'), '已修订');
  const picture = side.locator('img.page');
  await picture.waitFor();
  await picture.evaluate((image) => image.decode());
  assert.ok((await picture.evaluate((image) => image.naturalWidth)) >= 900, 'the page is drawn sharply');
  assert.ok((await side.textContent()).includes('2026-09-02'), 'it says whose report it is');
  await viewer.picture('pages');
  const [opened] = await Promise.all([page.waitForEvent('popup'), picture.click()]);
  await opened.close();
  // A prior exam in the other pane: its own report, as long as that pane is looked at.
  await viewer.tool('layout');
  await page.locator('[data-layout="1×2"]').click();
  await viewer.shows({}, '2');
  await viewer.pane('2').focus();
  await page.locator('.prior > button').click();
  await page.locator('.prior .thumbnail').first().click();
  await viewer.shows({ count: 12 }, '2');
  await page.locator('.side', { hasText: '上次检查未见结节' }).waitFor();
  assert.ok((await side.textContent()).includes('2026-09-03'));
  assert.equal(await labels('.side'), '危急 已审核');
  assert.equal(await labels('.bar'), '已修订', 'of the exam that was opened');
  // Not the pages of the other exam.
  await picture.waitFor({ state: 'detached' });
  await viewer.picture('prior');
  await viewer.pane('1').focus();
  await picture.waitFor();
  assert.ok(!(await side.textContent()).includes('上次检查未见结节'));
  await side.getByRole('button', { name: '关闭' }).click();
  await side.waitFor({ state: 'detached' });
});

// On a small screen it waits until it is asked for.
await run('report-small', { viewport: { width: 1024, height: 768 } }, async (page, viewer) => {
  await page.goto(address());
  await viewer.shows({ loaded: 12 });
  assert.equal(await page.locator('.side').count(), 0);
  await page.locator('[data-way="report"]').click();
  await page.locator('.side img.page').evaluate((image) => image.decode());
});
