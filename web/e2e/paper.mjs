// What is kept and printed is what is seen: the image in its window, the measurements, the words of the corners.
import { readFileSync } from 'node:fs';
import { address, assert, near, run } from './harness.mjs';

/** What a picture has: its size, the grey of its middle and of a corner, how many bright pixels stand for words, how many coloured ones for lines. */
const look = (page, address) =>
  page.evaluate(async (source) => {
    const image = new Image();
    image.src = source;
    await image.decode();
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const count = (x, y, width, height, fits) => {
      const { data } = context.getImageData(x, y, width, height);
      let found = 0;
      for (let at = 0; at < data.length; at += 4) if (fits(data[at], data[at + 1], data[at + 2])) found += 1;
      return found;
    };
    const [width, height] = [canvas.width, canvas.height];
    return {
      width,
      height,
      middle: context.getImageData(width >> 1, (height >> 1) + 20, 1, 1).data[0],
      words: count(0, 0, 160, 120, (red, green, blue) => red > 150 && green > 150 && blue > 150),
      lines: count(0, 0, width, height, (_, green, blue) => green > 120 && green - blue > 40),
    };
  }, address);

await run('paper', {}, async (page, viewer) => {
  // Printing goes on until the spec ends it.
  await page.addInitScript(() => {
    window.print = () => document.documentElement.setAttribute('data-printing', '');
  });
  await page.goto(address());
  await viewer.shows({ index: 0, loaded: 12, width: 400, center: 40 });
  const save = async (name) => {
    const [download] = await Promise.all([page.waitForEvent('download'), viewer.tool('save')]);
    assert.equal(download.suggestedFilename(), name);
    const bytes = readFileSync(await download.path());
    return look(page, `data:image/jpeg;base64,${bytes.toString('base64')}`);
  };
  const box = await viewer.pane().locator('.image').boundingBox();
  const plain = await save('CT-1.jpg');
  assert.deepEqual([plain.width, plain.height], [Math.round(box.width), Math.round(box.height)]);
  near(plain.middle, 166, 3, 'the grey of 100 HU');
  assert.ok(plain.words > 100, `its words are in it: ${plain.words}`);
  // Without them when they are not shown; in the window that is chosen; with what was measured.
  await page.keyboard.press('o');
  await page.locator('.corner').first().waitFor({ state: 'detached' });
  await page.keyboard.press('ArrowDown');
  await viewer.shows({ index: 1 });
  await page.keyboard.press('3');
  await viewer.shows({ width: 1500, center: -600 });
  await viewer.tool('length');
  await viewer.drag(await viewer.at(64, 40), await viewer.at(192, 40));
  near(await viewer.measured('([\\d.]+) mm'), 64, 0.6, 'length');
  await page.mouse.move(...(await viewer.at(20, 20)));
  await viewer.settled();
  const other = await save('CT-2.jpg');
  near(other.middle, 247, 3, 'the grey of 101 HU in the window of the lungs');
  assert.ok(other.words < plain.words / 4, `no words: ${other.words}`);
  assert.ok(other.lines > 200, `the line is in it: ${other.lines}`);

  // Printing: the picture alone, for as long as it takes.
  await viewer.tool('print');
  await page.locator('[data-printing]').waitFor();
  const sheet = page.locator('.sheet img');
  const printed = await look(page, await sheet.getAttribute('src'));
  assert.deepEqual([printed.width, printed.height], [other.width, other.height]);
  near(printed.middle, 247, 3, 'printed');
  await page.emulateMedia({ media: 'print' });
  assert.equal(await page.locator('.viewer').isVisible(), false, 'the page itself is not printed');
  await sheet.waitFor({ state: 'visible' });
  await viewer.picture('printed');
  await page.emulateMedia({ media: null });
  assert.equal(await sheet.isVisible(), false, 'and the sheet is not seen');
  await page.evaluate(() => window.dispatchEvent(new Event('afterprint')));
  await sheet.waitFor({ state: 'detached' });
  await viewer.shows({ index: 1 });
});
