// Images in forms that the server decodes for the viewer, or whose meaning the viewer draws itself: the values under the mouse
// and the pixels on the screen are those that independent decoders give (tests/it/viewer/forms.py).
//
// CASES: a file that says for each image what its pixels are.
import { readFileSync } from 'node:fs';
import { address, assert, near, required, run, until } from './harness.mjs';

const { edge, block, cases } = JSON.parse(readFileSync(required('CASES'), 'utf8'));
/** Middles of blocks, the corners of the board among them. */
const PLACES = [[0, 0], [3, 0], [0, 1], [1, 1], [2, 1], [1, 2], [2, 3], [0, 3], [3, 3]].map((place) => place.map((at) => at * block + block / 2));
/** A graphics processor looks brightness up in a table of its own, and images are scaled to the pane. */
const SHADE = 4;

await run('forms', {}, async (page, viewer) => {
  await page.goto(address());
  await viewer.shows({});
  const probe = viewer.pane().locator('.probe');

  /** What a pixel of a canvas of the pane is, in red, green, blue and opacity. */
  const pixel = async ([column, row], selector) => {
    const [x, y] = await viewer.at(column, row, edge, edge);
    return page.evaluate(([left, top, wanted]) => {
      const canvas = document.querySelector(`[data-pane="1"] ${wanted}`);
      const box = canvas.getBoundingClientRect();
      const copy = document.createElement('canvas');
      Object.assign(copy, { width: canvas.width, height: canvas.height });
      const context = copy.getContext('2d');
      context.drawImage(canvas, 0, 0);
      const ratio = canvas.width / box.width;
      return [...context.getImageData(Math.round((left - box.left) * ratio), Math.round((top - box.top) * ratio), 1, 1).data];
    }, [x, y, selector]);
  };

  /** The words about the pixel under the mouse are its own: the place that they name, and the value that belongs there. */
  const says = async (what, { values, unit = '' }, tolerance, [column, row]) => {
    await page.mouse.move(...(await viewer.at(column, row, edge, edge)));
    const pattern = new RegExp(`^(\\d+), (\\d+): (-?[\\d.]+)${unit && ` ${unit}`}$`);
    const read = async () => (pattern.exec(await probe.textContent()) ?? []).slice(1).map(Number);
    const wantedAt = (x, y) => values[(y - 1) * edge + x - 1];
    const isHere = ([x, y, value]) => Math.abs(x - column - 1) <= 1 && Math.abs(y - row - 1) <= 1 && Math.abs(value - wantedAt(x, y)) <= tolerance;
    const [x, y, value] = await until(read, isHere);
    assert.ok(value !== undefined, `${what}: nothing is said at ${column}, ${row} but "${await probe.textContent()}"`);
    near(x, column + 1, 1, `${what}: column`);
    near(y, row + 1, 1, `${what}: row`);
    near(value, wantedAt(x, y), tolerance, `${what}: the value at ${x}, ${y}`);
  };

  const looks = async (what, { grays, colors }, tolerance, [column, row]) => {
    const at = row * edge + column;
    const wanted = colors ? colors.slice(at * 3, at * 3 + 3) : [grays[at], grays[at], grays[at]];
    const most = colors ? tolerance : SHADE;
    const isWanted = (found) => wanted.every((level, channel) => Math.abs(found[channel] - level) <= most);
    const found = await until(() => pixel([column, row], '.image canvas'), isWanted);
    assert.ok(isWanted(found), `${what}: at ${column}, ${row} is ${found.slice(0, 3)} and not ${wanted}`);
  };

  /** The server's picture of the same image has the same look. */
  const isDrawnSo = async (name, series, { grays }) => {
    const thumbnail = page.locator(`.thumbnail[data-series="${series}"] img`);
    const root = (await thumbnail.getAttribute('src')).replace(/\/thumbnail$/, '');
    const found = await page.evaluate(async ([address, places]) => {
      const answer = await fetch(address, { headers: { Accept: 'image/png' } });
      const bitmap = await createImageBitmap(await answer.blob(), { colorSpaceConversion: 'none' });
      const canvas = Object.assign(document.createElement('canvas'), { width: bitmap.width, height: bitmap.height });
      const context = canvas.getContext('2d');
      context.drawImage(bitmap, 0, 0);
      return places.map(([column, row]) => context.getImageData(column, row, 1, 1).data[0]);
    }, [`${root}/instances/${series}.1/frames/1/rendered`, PLACES]);
    PLACES.forEach(([column, row], at) => near(found[at], grays[row * edge + column], 1, `${name}: the server's picture at ${column}, ${row}`));
  };

  /** So has the magnifier, outside of a shutter and within. */
  const isMagnifiedSo = async (name, { grays }) => {
    await page.keyboard.press('m');
    for (const [column, row] of [PLACES[0], PLACES[4]]) {
      const [x, y] = await viewer.at(column, row, edge, edge);
      await page.mouse.move(x, y);
      await page.mouse.down();
      await page.mouse.move(x + 1, y);
      const lens = page.locator('.lens');
      await lens.waitFor();
      const read = () => lens.evaluate((canvas) => canvas.getContext('2d').getImageData(canvas.width >> 1, canvas.height >> 1, 1, 1).data[0]);
      const wanted = grays[row * edge + column];
      near(await until(read, (gray) => Math.abs(gray - wanted) <= 1), wanted, 1, `${name}: magnified at ${column}, ${row}`);
      await page.mouse.up();
      await lens.waitFor({ state: 'detached' });
    }
    await page.keyboard.press('w');
  };

  for (const { name, series, tolerance, lossy, frames, marks, server } of cases) {
    await viewer.open(name, { series, index: 0, count: frames.length, inverted: false });
    for (const [at, frame] of frames.entries()) {
      const what = frames.length > 1 ? `${name}, frame ${at + 1}` : name;
      if (at > 0) await page.keyboard.press('ArrowDown');
      await viewer.shows({ series, index: at, ...frame.shows });
      for (const place of PLACES) {
        // Marks stand over the image only where they are.
        await looks(what, frame, tolerance, place);
        if (frame.values) await says(what, frame, tolerance, place);
      }
      if (!frame.values) {
        await page.mouse.move(...(await viewer.at(...PLACES[2], edge, edge)));
        await viewer.settled();
        assert.equal(await probe.textContent(), '', `${what}: a colour is no value`);
      }
    }
    const corners = await viewer.pane().locator('.corner.bl').textContent();
    assert.equal(corners.includes('JPEG'), lossy, `${name}: what losses it has had is said: ${corners}`);
    for (const { at, alpha } of marks) {
      const isWanted = (found) => Math.abs(found[3] - alpha) <= 4;
      const found = await until(() => pixel(at, 'canvas.marks'), isWanted);
      assert.ok(isWanted(found), `${name}: over ${at} lies ${found} and not ${alpha} of 255`);
    }
    if (server) {
      await isDrawnSo(name, series, frames[0]);
      await isMagnifiedSo(name, frames[0]);
    }
    await viewer.picture(name);
  }
});
