// Electrocardiograms of the three classes: twelve leads, general, ambulatory. A second is 25 mm and a millivolt 10 mm on the paper
// that Chromium lays out, at 96 pixels to the inch.
//
// BASE; EXAM: an exam with the recordings of tests/it/pages/objects.py: in each lead 0.2 s of 1 mV every second, of 2 mV in the
// second half.
import { assert, near, required, run, until } from './harness.mjs';

const base = required('BASE');
const exam = `${base}${required('EXAM').split('?')[0]}`;
const MM = 25.4 / 96;
/** Millimetres by which a place may differ: a pixel, and the width of the pen. */
const BY = 0.3;

/** What is laid out of the drawing that the page shows, in millimetres. */
async function drawn(page, context) {
  const image = page.locator('.ecg img');
  const width = () => image.evaluate((element) => (element.complete && element.naturalWidth > 0 ? element.getBoundingClientRect().width : 0));
  const wide = await until(width, (found) => found > 0);
  const answer = await context.request.get(new URL(await image.getAttribute('src'), base).href);
  assert.equal(answer.status(), 200);
  const sheet = await context.newPage();
  await sheet.setContent(`<!doctype html><body style="margin: 0">${await answer.text()}</body>`);
  const found = await sheet.evaluate((scale) => {
    const box = (element) => {
      const { left, top, width, height } = element.getBoundingClientRect();
      return { left: left * scale, top: top * scale, width: width * scale, height: height * scale };
    };
    const paths = [...document.querySelectorAll('svg > path')].map((path) => [path.getAttribute('d'), box(path)]);
    return {
      paper: box(document.querySelector('svg')),
      curves: paths.filter(([drawing]) => drawing.includes('L')).map(([, place]) => place),
      pulses: paths.filter(([drawing]) => drawing.startsWith('M6.00 ')).map(([, place]) => place),
      words: [...document.querySelectorAll('svg > text')].map((text) => text.textContent),
    };
  }, MM);
  await sheet.close();
  near(wide * MM, found.paper.width, BY, 'the page shows the drawing in its own size');
  return found;
}

function paper({ paper: sheet, pulses }, wide, high, rows, gain = 10) {
  near(sheet.width, wide, BY, 'width of the paper');
  near(sheet.height, high, BY, 'height of the paper');
  assert.equal(pulses.length, rows, 'a pulse before each row');
  for (const pulse of pulses) near(pulse.height, gain, BY, 'a millivolt');
}

const tolerated = (text) => text.includes('net::ERR_ABORTED');

await run('waves', { tolerated }, async (page, viewer, context) => {
  const shows = async (query, current) => {
    await page.goto(`${exam}?tab=waveform&${query}`);
    assert.equal(await page.locator('.tabs [aria-current="page"]').innerText(), '心电波形');
    assert.equal(await page.locator('.controls .on', { hasText: '记录' }).innerText(), current);
    return drawn(page, context);
  };

  // Twelve leads: three rows of four, 2.5 s each, and a rhythm strip of 10 s.
  const twelve = await shows('s=1', '记录 1');
  paper(twelve, 270, 138, 4);
  assert.equal(twelve.curves.length, 13);
  twelve.curves.slice(0, 12).forEach((curve, at) => {
    near(curve.left, 15 + 62.5 * (at % 4), BY, `lead ${at + 1} begins`);
    near(curve.width, 62.45, BY, `2.5 s of lead ${at + 1}`);
    near(curve.height, at % 4 < 2 ? 10 : 20, BY, `lead ${at + 1} is as high as its millivolts`);
  });
  near(twelve.curves[12].width, 249.95, BY, '10 s of the rhythm');
  assert.deepEqual(twelve.words.slice(0, 12), ['I', 'aVR', 'V1', 'V4', 'II', 'aVL', 'V2', 'V5', 'III', 'aVF', 'V3', 'V6']);
  await viewer.picture('twelve');
  const doubled = await shows('s=1&speed=50&gain=20&layout=rows', '记录 1');
  paper(doubled, 520, 378, 12, 20);
  for (const curve of doubled.curves) near(curve.width, 499.9, BY, '10 s at 50 mm/s');

  // General: three leads of their own names, below one another.
  const general = await shows('s=2', '记录 2');
  paper(general, 270, 108, 3);
  assert.deepEqual(general.words.slice(0, 3), ['X', 'Y', 'Z']);
  for (const [row, curve] of general.curves.entries()) {
    near(curve.width, 249.9, BY, `10 s of row ${row + 1}`);
    near(curve.height, 20, BY, `2 mV of row ${row + 1}`);
    near(curve.top + curve.height, 5 + 30 * row + 15, BY, `row ${row + 1} stands on its middle`);
  }
  await viewer.picture('general');

  // Ambulatory: twenty minutes, page by page; each shows its own stretch.
  const first = await shows('s=3', '记录 3');
  paper(first, 282.5, 78, 2);
  for (const curve of first.curves) near(curve.height, 10, BY, '1 mV in the first half');
  await page.locator('.controls').getByRole('link', { name: '下一页', exact: true }).click();
  await until(() => page.locator('.controls .on', { hasText: '00:00:10' }).count(), (count) => count === 1);
  assert.ok((await drawn(page, context)).words.at(-1).includes('10 – 20.5 s'));
  await page.locator('.controls').getByRole('link', { name: '末页', exact: true }).click();
  await until(() => page.locator('.controls .on', { hasText: '00:19:50' }).count(), (count) => count === 1);
  const last = await drawn(page, context);
  paper(last, 270, 78, 2);
  for (const curve of last.curves) near(curve.height, 20, BY, '2 mV in the second half');
  assert.ok(last.words.at(-1).includes('1190 – 1200 s'), last.words.at(-1));
  await viewer.picture('ambulatory');
});
