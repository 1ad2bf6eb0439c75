// Three planes through a volume, and the way back: to panes that are as they were.
import { address, assert, run, until } from './harness.mjs';

/** Shares of bright pixels on these canvases. */
const bright = (page, selector) =>
  page.evaluate((wanted) =>
    [...document.querySelectorAll(wanted)].map((source) => {
      const copy = document.createElement('canvas');
      copy.width = source.width;
      copy.height = source.height;
      const context = copy.getContext('2d');
      context.drawImage(source, 0, 0);
      const { data } = context.getImageData(0, 0, copy.width, copy.height);
      let count = 0;
      for (let at = 0; at < data.length; at += 4) if (data[at] > 120) count += 1;
      return count / (data.length / 4);
    }), selector);

/** Waits until so much of each of so many canvases is bright: what is drawn comes some frames after it is asked for. */
async function isBright(page, selector, least, count) {
  const isWanted = (shares) => shares.length === count && shares.every((share) => share > least);
  const shares = await until(() => bright(page, selector), isWanted);
  assert.ok(isWanted(shares), `${selector}: ${shares} are not ${count} above ${least}`);
}

// What is cut off on purpose is no fault.
const tolerated = (text) => text.includes('ERR_FAILED') || text.includes('Failed to fetch dynamically');

await run('volume', { tolerated }, async (page, viewer) => {
  await page.goto(address());
  await viewer.shows({ loaded: 12 });
  const open = async (state) => {
    await viewer.tool('mpr');
    await page.locator(`[data-volume="${state}"]`).waitFor();
  };
  // What opens it does not come: said, and tried again.
  const cut = (route) => route.abort('failed');
  await page.route('**/static/viewer/volume-*', cut);
  await open('failed');
  await viewer.picture('failed');
  await page.unroute('**/static/viewer/volume-*', cut);
  await page.locator('[data-way="again"]').click();
  await page.locator('[data-volume="shown"][data-loaded="12"]').waitFor();
  await isBright(page, '.planes .image canvas', 0.01, 3);
  await viewer.picture('planes');
  // Keys belong to the planes; the panes behind stay where they are.
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('r');
  await page.locator('[data-way="back"]').click();
  const lives = async (index) => {
    await viewer.shows({ index, count: 12, sides: 'L R P A' });
    await isBright(page, '[data-pane="1"] .image canvas', 0.1, 1);
  };
  await lives(0);
  await page.locator('[data-tool="mpr"]:focus').waitFor();
  await page.keyboard.press('ArrowDown');
  await lives(1);
  await page.setViewportSize({ width: 1180, height: 700 });
  await page.keyboard.press('ArrowDown');
  await lives(2);
  await viewer.picture('back');
  // Once more, and left by a key.
  await open('shown');
  await page.keyboard.press('Escape');
  await page.locator('[data-volume]').waitFor({ state: 'detached' });
  await page.keyboard.press('ArrowUp');
  await lives(1);
  // Left while it comes, and opened again at once.
  await viewer.tool('mpr');
  await page.keyboard.press('Escape');
  await open('shown');
  await page.locator('[data-way="back"]').click();
  await lives(1);
  // As often as one likes: contexts of WebGL are few, and none of the panes' is taken.
  for (let time = 0; time < 4; time += 1) {
    await open('shown');
    await page.keyboard.press('Escape');
    await page.locator('[data-volume]').waitFor({ state: 'detached' });
  }
  await page.keyboard.press('ArrowDown');
  await lives(2);
  assert.equal(await page.locator('.viewer').getAttribute('data-renderer'), 'gpu');
});
