// Three planes through a volume, and the way back.
import { address, assert, run } from './harness.mjs';

await run('volume', {}, async (page, viewer) => {
  await page.goto(address());
  await viewer.shows({ loaded: 12 });
  await viewer.tool('mpr');
  await page.locator('[data-volume="shown"]').waitFor();
  // The block of the phantom is bright in each of the planes.
  const bright = () =>
    page.evaluate(() =>
      [...document.querySelectorAll('.planes .image canvas')].map((source) => {
        const copy = document.createElement('canvas');
        copy.width = source.width;
        copy.height = source.height;
        const context = copy.getContext('2d');
        context.drawImage(source, 0, 0);
        const { data } = context.getImageData(0, 0, copy.width, copy.height);
        let count = 0;
        for (let at = 0; at < data.length; at += 4) if (data[at] > 120) count += 1;
        return count / (data.length / 4);
      }),
    );
  await page.waitForFunction(() => document.querySelectorAll('.planes .image canvas').length === 3);
  const shares = await bright();
  await viewer.picture('planes');
  assert.equal(shares.length, 3);
  shares.forEach((share, at) => assert.ok(share > 0.01, `plane ${at} shows the block: ${shares}`));
  await page.locator('[data-way="back"]').click();
  await viewer.shows({ count: 12 });
});
