// Grey by tables and functions: what the pane shows at 1:1 is, pixel for pixel, what the server draws.
import { address, assert, renderer, required, run, until } from './harness.mjs';

// A graphics processor looks brightness up in a table of its own.
const MOST = renderer === 'gpu' ? 2 : 0;

await run('shades', {}, async (page, viewer) => {
  await page.goto(address());
  await viewer.shows({});
  // Pixels of the image lie on pixels of the screen where both sizes are even.
  const odd = await page.evaluate(() => {
    const { width, height } = document.querySelector('[data-pane="1"] .image canvas');
    return [width % 2, height % 2];
  });
  await page.setViewportSize({ width: 1280 + odd[0], height: 800 + odd[1] });
  for (const [name, series] of required('SHADES').split(',').map((one) => one.split(':'))) {
    await viewer.open(name, { series });
    await page.keyboard.press('x');
    await viewer.shows({ zoom: '1.000' });
    await viewer.settled();
    const drawn = page.locator(`.thumbnail[data-series="${series}"] img`);
    const root = (await drawn.getAttribute('src')).replace(/\/thumbnail$/, '');
    const both = () => page.evaluate(compare, { root, instance: `${series}.1`, edge: 128 });
    const found = await until(both, ({ worst, levels }) => worst <= MOST && levels > 60);
    assert.ok(found.levels > 60, `${name}: there is something to compare (${found.levels} levels)`);
    assert.ok(found.worst <= MOST, `${name}: ${JSON.stringify(found)}`);
    await viewer.picture(name);
  }
  // The table has a name in the corner; any window of the reader takes its place.
  await viewer.open('voilut', { table: 'VOI LUT' });
  const middle = await viewer.at(64, 64, 128, 128);
  await viewer.drag(middle, [middle[0] + 40, middle[1]]);
  await viewer.shows({ table: '' });
  await page.keyboard.press('0');
  await viewer.shows({ table: 'VOI LUT' });
});

/** In the page: the pane's pixels against the server's picture; the best of the places where the pane may have put it. */
async function compare({ root, instance, edge }) {
  const answer = await fetch(`${root}/instances/${instance}/frames/1/rendered`, { headers: { Accept: 'image/png' } });
  const bitmap = await createImageBitmap(await answer.blob(), { colorSpaceConversion: 'none' });
  const read = (source, width, height) => {
    const copy = document.createElement('canvas');
    Object.assign(copy, { width, height });
    const context = copy.getContext('2d');
    context.fillRect(0, 0, width, height);
    context.drawImage(source, 0, 0);
    return context.getImageData(0, 0, width, height).data;
  };
  const server = read(bitmap, edge, edge);
  const canvas = document.querySelector('[data-pane="1"] .image canvas');
  const pane = read(canvas, canvas.width, canvas.height);
  const left = Math.floor((canvas.width - edge) / 2);
  const top = Math.floor((canvas.height - edge) / 2);
  let best = { worst: 256 };
  for (const [x, y] of [[0, 0], [1, 0], [0, 1], [1, 1], [-1, 0], [0, -1], [-1, -1]]) {
    let worst = 0;
    let sum = 0;
    let other = 0;
    for (let row = 0; row < edge; row += 1) {
      for (let column = 0; column < edge; column += 1) {
        const a = pane[((top + y + row) * canvas.width + left + x + column) * 4];
        const b = server[(row * edge + column) * 4];
        sum += a;
        other += b;
        worst = Math.max(worst, Math.abs(a - b));
      }
    }
    if (worst < best.worst) best = { worst, sum, other, x, y };
  }
  return { ...best, levels: new Set([...server].filter((_, at) => at % 4 === 0)).size, pane: [canvas.width, canvas.height] };
}
