// Tools by numbers: the scale bar and the reference lines as long and where they belong, zooming and leafing by dragging and by
// keys, panes below and beside each other with a series dragged onto one, what is kept of one of them, and the series as a file.
import { readFileSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';
import { address, assert, near, run, until } from './harness.mjs';

/** Files of a ZIP archive by the directory at its end. */
function filesOf(archive) {
  const end = archive.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  const files = [];
  for (let at = archive.readUInt32LE(end + 16), left = archive.readUInt16LE(end + 10); left > 0; left -= 1) {
    const [length, name, extra, comment] = [archive.readUInt32LE(at + 20), ...[28, 30, 32].map((field) => archive.readUInt16LE(at + field))];
    const head = archive.readUInt32LE(at + 42);
    const from = head + 30 + archive.readUInt16LE(head + 26) + archive.readUInt16LE(head + 28);
    files.push({ name: archive.toString('utf8', at + 46, at + 46 + name), bytes: inflateRawSync(archive.subarray(from, from + length)) });
    at += 46 + name + extra + comment;
  }
  return files;
}

// A file that is kept ends what the page was fetching for it.
const tolerated = (text) => text.includes('net::ERR_ABORTED');

await run('tools', { tolerated }, async (page, viewer) => {
  await page.goto(address());
  await viewer.shows({ index: 0, loaded: 12 });
  const zooms = async (wanted, by, what) => near(await until(() => viewer.number('zoom'), (zoom) => Math.abs(zoom - wanted) <= by), wanted, by, what);

  // The scale bar, in pixels of the page: in the corner, above the lower edge.
  const bar = () => page.evaluate(() => {
    const marks = document.querySelector('[data-pane="1"] canvas.marks');
    const ratio = marks.width / marks.clientWidth;
    const across = Math.round(190 * ratio);
    const { data } = marks.getContext('2d').getImageData(marks.width - across, marks.height - Math.round(36 * ratio), across, Math.round(4 * ratio));
    const ends = [Infinity, -Infinity];
    for (let at = 0; at < data.length / 4; at += 1) {
      if (data[at * 4] > 120 && data[at * 4 + 3] > 150) ends.splice(0, 2, Math.min(ends[0], at % across), Math.max(ends[1], at % across));
    }
    return ends[0] === Infinity ? 0 : (ends[1] - ends[0]) / ratio;
  });
  const isBar = async (wanted, what) => near(await until(bar, (length) => Math.abs(length - wanted) <= 3), wanted, 3, what);
  await page.keyboard.press('x');
  await viewer.shows({ zoom: '1.000' });
  await isBar(100, 'five centimetres at half a millimetre for a pixel');
  await page.keyboard.press('+');
  await zooms(1.25, 0.003, 'a quarter larger');
  await isBar(125, 'five centimetres, a quarter larger');
  await viewer.picture('bar');
  await page.keyboard.press('-');
  await zooms(1, 0.003, 'and back');
  await page.keyboard.press('-');
  await zooms(0.8, 0.003, 'a fifth smaller');
  await isBar(80, 'five centimetres, a fifth smaller');
  await page.keyboard.press('o');
  await isBar(0, 'none without the words');
  await page.keyboard.press('o');
  await isBar(80, 'and with them again');
  await viewer.open('胸片', { count: 1 });
  await page.keyboard.press('x');
  await viewer.shows({ zoom: '1.000' });
  await isBar(100, 'two centimetres at a fifth of a millimetre');
  await viewer.open('截图', { count: 1 });
  await page.keyboard.press('x');
  await viewer.shows({ zoom: '1.000' });
  await isBar(0, 'none where nothing says how large a pixel is');

  // Zooming by dragging: down is larger, up is smaller again, by five times the height of the pane.
  await viewer.open('平扫', { count: 12, index: 0 });
  await page.keyboard.press('x');
  await viewer.shows({ zoom: '1.000' });
  const box = await viewer.pane().locator('.image').boundingBox();
  const middle = [box.x + box.width / 2, box.y + box.height / 2];
  await viewer.tool('zoom');
  await viewer.drag(middle, [middle[0], middle[1] + 60]);
  const share = (5 * 60) / box.height;
  // However many movements the browser makes of it.
  const [least, most] = [Math.exp(share * 0.8), 1 / (1 - share)];
  const larger = await until(() => viewer.number('zoom'), (zoom) => zoom >= least);
  assert.ok(larger >= least && larger <= most * 1.05, `${larger} times is not between ${least} and ${most}`);
  await viewer.drag(middle, [middle[0], middle[1] - 60]);
  const smaller = await until(() => viewer.number('zoom'), (zoom) => Math.abs(zoom / larger - Math.exp(-share)) <= 0.15);
  near(smaller / larger, Math.exp(-share), 0.15, 'back by as much');
  await viewer.shows({ index: 0, width: 400, center: 40 });
  await page.keyboard.press('Escape');

  // Leafing by dragging: a twelfth of the pane for a slice.
  await viewer.tool('scroll');
  await viewer.drag([middle[0], box.y + 60], [middle[0], box.y + 60 + (box.height / 12) * 4.2]);
  near(await until(() => viewer.number('index'), (index) => index >= 4), 4.2, 1, 'leafed down');
  await viewer.shows({ width: 400 });
  const reached = await viewer.number('index');
  await viewer.drag([middle[0], box.y + 300], [middle[0], box.y + 300 - (box.height / 12) * 2.6]);
  near(await until(() => viewer.number('index'), (index) => index <= reached - 2), reached - 2.6, 1, 'leafed up');
  await page.keyboard.press('Home');
  await viewer.shows({ index: 0 });
  await viewer.tool('window');

  // Reference lines, where the slices cross: axial slice n lies on row 152 - 4n of the sagittal images, and sagittal image n on
  // column 128 + 10n of the axial ones.
  await viewer.tool('layout');
  await page.locator('[data-layout="1×2"]').click();
  await viewer.shows({ count: 3 }, '2');
  await viewer.shows({ count: 12 });
  const look = async (id) => {
    await viewer.pane(id).focus();
    await page.locator(`[data-pane="${id}"].active`).waitFor();
  };
  const line = (id) => page.evaluate((pane) => {
    const marks = document.querySelector(`[data-pane="${pane}"] canvas.marks`);
    const { data } = marks.getContext('2d').getImageData(0, 0, marks.width, marks.height);
    const edges = [Infinity, Infinity, -Infinity, -Infinity];
    for (let at = 0; at < marks.width * marks.height; at += 1) {
      const [red, green, blue, alpha] = data.subarray(at * 4, at * 4 + 4);
      if (red > 130 || green < 170 || blue < 200 || alpha < 60) continue;
      const [x, y] = [at % marks.width, Math.floor(at / marks.width)];
      edges.splice(0, 4, Math.min(edges[0], x), Math.min(edges[1], y), Math.max(edges[2], x + 1), Math.max(edges[3], y + 1));
    }
    const around = marks.getBoundingClientRect();
    const times = around.width / marks.width;
    return edges.map((edge, at) => (at % 2 === 0 ? around.left : around.top) + edge * times);
  }, id);
  const crosses = async (id, from, to, what) => {
    const [[left, top], [right, bottom]] = [await viewer.at(...from, 256, 256, id), await viewer.at(...to, 256, 256, id)];
    const wanted = [left, top, right, bottom];
    const found = await until(() => line(id), (edges) => edges.every((edge, at) => Math.abs(edge - wanted[at]) <= 3));
    found.forEach((edge, at) => near(edge, wanted[at], 3, `${what}: ${['left', 'top', 'right', 'bottom'][at]}`));
  };
  await look('1');
  await crosses('2', [0, 152], [255, 152], 'the first axial slice');
  await page.keyboard.press('End');
  await viewer.shows({ index: 11 });
  await crosses('2', [0, 108], [255, 108], 'the last axial slice');
  await look('2');
  await crosses('1', [128, 0], [128, 255], 'the first sagittal image');
  await page.keyboard.press('End');
  await viewer.shows({ index: 2 }, '2');
  await crosses('1', [148, 0], [148, 255], 'the last sagittal image');
  assert.ok(!(await line('2')).every(Number.isFinite), 'none in the pane that is looked at');
  await viewer.picture('lines');
  await viewer.tool('lines');
  assert.ok(!(await until(() => line('1'), (edges) => !edges.every(Number.isFinite))).every(Number.isFinite), 'none when they are not wanted');
  await viewer.tool('lines');

  // A series is dragged onto a pane: that one alone shows it, and is looked at.
  await look('1');
  await page.locator('.thumbnail', { hasText: '胸片' }).dragTo(viewer.pane('2'));
  await viewer.shows({ series: '2.25.7000.3', count: 1 }, '2');
  await viewer.shows({ series: '2.25.7000.1', count: 12, index: 11 });
  await page.locator('[data-pane="2"].active').waitFor();

  // What is kept is the pane that is looked at: its size, its name.
  const kept = async (name, id) => {
    const [download] = await Promise.all([page.waitForEvent('download'), viewer.tool('save')]);
    assert.equal(download.suggestedFilename(), name);
    const bytes = readFileSync(await download.path());
    const found = await page.evaluate(async (base64) => {
      const image = new Image();
      image.src = `data:image/jpeg;base64,${base64}`;
      await image.decode();
      const canvas = Object.assign(document.createElement('canvas'), { width: image.naturalWidth, height: image.naturalHeight });
      const context = canvas.getContext('2d');
      context.drawImage(image, 0, 0);
      return { size: [canvas.width, canvas.height], middle: context.getImageData(canvas.width >> 1, (canvas.height >> 1) + 20, 1, 1).data[0] };
    }, bytes.toString('base64'));
    const { width, height } = await viewer.pane(id).locator('.image').boundingBox();
    near(found.size[0], width, 1, `${name}: the width of its pane`);
    near(found.size[1], height, 1, `${name}: its height`);
    return found.middle;
  };
  await kept('DX-1.jpg', '2');
  await look('1');
  near(await kept('CT-12.jpg', '1'), 173, 4, 'the grey of 111 HU');

  // Below each other: as wide, half as high.
  await viewer.tool('layout');
  await page.locator('[data-layout="2×1"]').click();
  await page.waitForFunction(() => {
    const [one, two] = ['1', '2'].map((id) => document.querySelector(`[data-pane="${id}"]`).getBoundingClientRect());
    return one.bottom <= two.top;
  });
  const [upper, lower] = [await viewer.pane('1').boundingBox(), await viewer.pane('2').boundingBox()];
  assert.deepEqual([upper.x, upper.width], [lower.x, lower.width], 'as wide as the other');
  near(upper.height, lower.height, 1, 'as high as the other');
  near(lower.y - upper.y - upper.height, 2, 1, 'directly below it');
  await viewer.shows({ series: '2.25.7000.1', count: 12 });
  await viewer.shows({ series: '2.25.7000.3', count: 1 }, '2');
  await viewer.picture('below');

  // The series of the pane as a file: each of its objects, whole.
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('[data-way="download"]').click()]);
  assert.match(download.suggestedFilename(), /\.zip$/);
  const files = filesOf(readFileSync(await download.path()));
  const names = Array.from({ length: 12 }, (_, at) => `2.25.7000/2.25.7000.1/2.25.7000.1.${at + 1}.dcm`);
  assert.deepEqual(files.map(({ name }) => name).sort(), names.sort());
  for (const { name, bytes } of files) {
    assert.equal(bytes.toString('latin1', 128, 132), 'DICM', name);
    assert.ok(bytes.length > 256 * 256 * 2, `${name} has its pixels`);
  }
});
