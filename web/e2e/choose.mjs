// Which of both pages of images opens: what the reader has chosen, for good; what one image needs, for that exam alone.
//
// URL: the viewer of an exam with an image that is too large; OTHER: another exam.
import { assert, required, run } from './harness.mjs';

const exam = required('URL').replace(/\/viewer$/, '');
const other = required('OTHER');

// Who is led on breaks off what the page was fetching.
await run('choose', { tolerated: (text) => text.includes('net::ERR_ABORTED') }, async (page, viewer) => {
  await page.addInitScript(() => Object.defineProperty(Navigator.prototype, 'deviceMemory', { get: () => 1 }));
  const asked = [];
  page.on('request', (request) => request.isNavigationRequest() && asked.push(request.url()));
  const leadsOn = async (to) => {
    await page.goto(`${to}?tab=images`, { waitUntil: 'commit' });
    await page.waitForURL(`${to}/viewer`);
    await viewer.shows({ index: 0 });
  };
  const stays = async (to) => {
    await page.goto(`${to}?tab=images`);
    await page.locator('.stage [data-position]').waitFor();
    await viewer.settled();
    assert.equal(asked.at(-1), `${to}?tab=images`, 'nothing else is asked for');
  };
  await leadsOn(exam);

  // An image that is too large: this exam stays with the basic page, the next one does not.
  await viewer.open('large', { state: 'failed', count: 1 });
  await viewer.pane().locator('[role="alert"] a').click();
  await page.waitForURL(/[?&]basic=1/);
  await stays(exam);
  await leadsOn(other);

  // Chosen in the head of the viewer: for every exam, until the other one is chosen.
  await page.locator('[data-way="basic"]').click();
  await page.waitForURL(/[?&]basic=1/);
  await stays(exam);
  await stays(other);
  await page.getByRole('link', { name: '完整版' }).click();
  await page.waitForURL(`${other}/viewer`);
  await leadsOn(other);
  await leadsOn(exam);
});
