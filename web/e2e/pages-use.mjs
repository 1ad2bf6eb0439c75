// The pages as they are used: by mouse, by keyboard, without scripts, in a frame; and what is refused.
//
// BASE, HOST_PORT; VIEW, LIST, EXAM, LAB: addresses of a session; FORGED, EXPIRED: links; LINK: a good one.
import { createServer } from 'node:http';
import { join } from 'node:path';
import { assert, near, required, run, until } from './harness.mjs';

const base = required('BASE');
const at = (name) => `${base}${required(name)}`;
const column = (page, name) => page.locator('th').filter({ hasText: name });
/** The words of a column, when the page has come and, if that is told, has so many of them. */
const cells = async (page, label, count) => {
  await page.waitForLoadState();
  const read = () => page.locator(`td[data-label="${label}"]`).allInnerTexts().catch(() => []);
  return until(read, (words) => count === undefined || words.length === count);
};
/** What a link leads to comes after the click: the word of the page is waited for. */
const reads = async (locator, wanted, why) => assert.equal(await until(() => locator.innerText(), (text) => text === wanted), wanted, why);
const isSorted = async (page, name, wanted) =>
  assert.equal(await until(() => column(page, name).getAttribute('aria-sort'), (how) => how === wanted), wanted, name);
const sorted = (values) => [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));

/** Sorting, leafing, narrowing: with and without scripts the same. */
async function lists(page) {
  await page.goto(at('LIST'));
  assert.match(await page.locator('.counts').innerText(), /共 29 份/);
  assert.equal((await cells(page, '时间', 20)).length, 20, 'a page has as many lines as configured');
  await isSorted(page, '检查时间', 'descending');
  const newest = await cells(page, '时间');
  assert.deepEqual(newest, sorted(newest).reverse());

  await page.getByRole('link', { name: '下一页' }).click();
  const rest = await cells(page, '时间', 9);
  assert.equal(rest.length, 9);
  assert.ok(rest[0] <= newest.at(-1), 'the second page goes on behind the first');
  await page.getByRole('link', { name: '首页' }).click();
  assert.deepEqual(await cells(page, '时间', 20), newest);

  for (const [heading, label] of [['检查时间', '时间'], ['姓名', '姓名'], ['类型', '类型'], ['项目', '项目'], ['医院', '医院']]) {
    await column(page, heading).getByRole('link').click();
    await isSorted(page, heading, 'ascending');
    const rising = [await cells(page, label, 20), await followed(page, label, 9)].flat();
    assert.equal(rising.length, 29, heading);
    if (label === '时间') assert.deepEqual(rising, sorted(rising));
    await page.goto(at('LIST'));
    await column(page, heading).getByRole('link').click();
    await isSorted(page, heading, 'ascending');
    await column(page, heading).getByRole('link').click();
    await isSorted(page, heading, 'descending');
    await page.goto(at('LIST'));
  }
  assert.ok(!page.url().includes('%E'), 'no word of the list in its address');

  await page.goto(at('VIEW'));
  await page.getByLabel('检查类型').selectOption({ label: '检验' });
  await page.getByRole('button', { name: '查询' }).click();
  assert.deepEqual(await cells(page, '类型', 3), ['检验', '检验', '检验']);
  assert.equal(new URL(page.url()).search, '', 'what was asked for is not in the address');
  await page.getByLabel('检查类型').selectOption({ label: '全部' });
  await page.getByText('以下为全部患者中的查询结果').waitFor();
  await page.getByLabel('检查日期从').fill('2026-09-05');
  await page.getByLabel('到', { exact: true }).fill('2026-09-06');
  await page.keyboard.press('Enter');
  assert.deepEqual(sorted(await cells(page, '时间', 2)), ['2026-09-05 08:30', '2026-09-06 08:30']);
  await page.getByRole('button', { name: '重置' }).click();
  assert.equal((await cells(page, '时间', 20)).length, 20);
  await page.getByLabel('只看危急').check();
  await page.getByRole('button', { name: '查询' }).click();
  assert.deepEqual(await cells(page, '类型', 1), ['检验']);
  await page.getByText('最多回溯一个月').waitFor();
  assert.ok(await page.getByLabel('只看危急').isChecked(), 'the form says what narrows the list');
  await page.getByRole('button', { name: '重置' }).click();
  assert.equal((await cells(page, '时间', 20)).length, 20);
  await page.getByLabel('姓名').fill('没有这个人');
  await page.getByRole('button', { name: '查询' }).click();
  await page.getByText('没有符合条件的检查。').waitFor();
  await page.getByRole('button', { name: '重置' }).click();
}

async function followed(page, label, count) {
  await page.getByRole('link', { name: '下一页' }).click();
  return cells(page, label, count);
}

/** From the list to an exam, through its tabs, and back. */
async function tabs(page) {
  await page.goto(at('EXAM'));
  const names = await page.locator('.tabs a').allInnerTexts();
  assert.deepEqual(names, ['图文报告', '文字报告', '影像', '电子胶片', '心电波形', '视频', '文档', '申请单', '附件']);
  for (const name of names.filter((name) => name !== '影像')) {
    await page.locator('.tabs').getByRole('link', { name, exact: true }).click();
    await reads(page.locator('.tabs [aria-current="page"]'), name);
  }
  await page.getByRole('link', { name: /第 1 版/ }).click().catch(() => undefined);
  await page.goto(`${at('EXAM')}?tab=images&basic=1`);
  const position = page.locator('[data-position]');
  await reads(position, '1 / 4');
  await page.getByRole('link', { name: '下一幅' }).click();
  await reads(position, '2 / 4');
  await page.getByRole('link', { name: '末幅' }).click();
  await reads(position, '4 / 4');
  await page.getByRole('link', { name: '反相' }).click();
  await reads(position, '4 / 4', 'a tool leaves the image where it is');
  await page.goto(at('LAB'));
  await page.getByRole('link', { name: '白细胞计数 趋势图' }).click();
  assert.equal((await cells(page, '结果', 3)).length, 3);
  await page.getByRole('link', { name: /返回检验结果/ }).click();
  await page.getByRole('link', { name: '检查列表' }).click();
  await page.locator('h1', { hasText: '检查查询' }).waitFor();
}

/** Each tab shows what it is named after. */
async function contents(page) {
  const content = page.locator('.content');
  const open = (tab) => page.goto(`${at('EXAM')}?tab=${tab}&basic=1`);
  const words = async (selector, wanted) => {
    const found = await content.locator(selector).first().innerText();
    assert.ok(found.includes(wanted), `${wanted} in ${found}`);
  };
  /** How many pixels wide and high the picture is that has come; nothing when none does. */
  const size = (picture) => until(
    () => picture.evaluate((image) => (image.complete && image.naturalWidth > 0 ? [image.naturalWidth, image.naturalHeight] : [])),
    (found) => found.length > 0,
  );

  await open('report');
  const [wide, high] = await size(content.locator('.report img.page').first());
  assert.ok(wide >= 900, `a page of the report is ${wide} wide`);
  near(high / wide, 297 / 210, 0.01, 'and is an A4');
  await open('text');
  await words('.text', '右肺上叶见小结节，直径约4mm。');
  await open('images');
  await words('.strip', '上腹部平扫 5mm');
  assert.deepEqual(await size(content.locator('.stage [data-frames]')), [512, 512], 'the CT has as many pixels');
  await open('film');
  await words('.strip', '电子胶片');
  assert.equal(await content.locator('[data-position]').innerText(), '1 / 1');
  assert.ok((await size(content.locator('.stage [data-frames]')))[0] >= 512, 'the sheet is large enough to be read');
  await open('video');
  await words('figcaption', '胃镜录像');
  assert.equal(await until(() => content.locator('video').evaluate((video) => video.videoWidth), (found) => found > 0), 48);
  await open('documents');
  await words('.document', '右肺上叶小结节。');
  await open('request');
  await words('.text', '呼吸内科');
  await words('.text', '测试医生乙');
  await words('figcaption', '第1页');
  await open('attachments');
  await words('figcaption', '知情同意书 · 第1页');
  assert.deepEqual(await size(content.locator('.attachment img').first()), [620, 877], 'the scan as it came');

  // Paper of a recording of 10 s, and of the first 10.5 s of a longer one: 25 mm a second, and 20 mm around it.
  const millimetres = [];
  for (const recording of [1, 2]) {
    await open(`waveform&s=${recording}`);
    const drawing = content.locator('.ecg img');
    await size(drawing);
    millimetres.push(await drawing.evaluate((image) => (image.getBoundingClientRect().width / 96) * 25.4));
  }
  const [short, long] = sorted(millimetres);
  near(short, 270, 0.3, 'millimetres of 10 s');
  near(long, 282.5, 0.3, 'millimetres of 10.5 s');
}

/** The film of tests/it/pages/objects.py plays: it is as large and as long, and at a moment its frame is seen; what no browser plays says so. */
async function film(page) {
  const statuses = [];
  page.on('response', (response) => {
    if (/\/video\/\d+$/.test(new URL(response.url()).pathname)) statuses.push(response.status());
  });
  await page.goto(`${at('EXAM')}?tab=video`);
  const video = page.locator('video');
  assert.equal(await video.count(), 1, 'one film plays, the other has a coding that browsers do not know');
  assert.ok(await page.getByText('浏览器不支持该视频的编码方式').isVisible(), 'and says so');
  const state = () => video.evaluate((element) => ({ ready: element.readyState, error: element.error?.message ?? null }));
  const { ready, error } = await until(state, (found) => found.ready >= 2 || found.error !== null);
  assert.deepEqual([ready >= 2, error], [true, null], 'a picture of the film is there');
  assert.deepEqual(await video.evaluate((element) => [element.videoWidth, element.videoHeight]), [48, 32]);
  near(await video.evaluate((element) => element.duration), 2, 0.001, 'seconds');
  // Each frame is 20 brighter than the one before; the first is 40 of 16 to 235.
  for (const [seconds, luma] of [[1.5, 180], [0.5, 80]]) {
    await video.evaluate((element, wanted) => { element.currentTime = wanted; }, seconds);
    const gray = () => video.evaluate((element) => {
      if (element.seeking || element.readyState < 2) return -1;
      const context = Object.assign(document.createElement('canvas'), { width: 48, height: 32 }).getContext('2d');
      context.drawImage(element, 0, 0);
      return context.getImageData(24, 16, 1, 1).data[1];
    });
    const wanted = ((luma - 16) * 255) / 219;
    near(await until(gray, (found) => Math.abs(found - wanted) <= 11), wanted, 11, `what is seen after ${seconds} s`);
  }
  // And it runs to its end.
  await video.evaluate((element) => {
    element.muted = true;
    return element.play();
  });
  assert.ok(await until(() => video.evaluate((element) => element.ended), (ended) => ended), 'it plays to its end');
  assert.ok(statuses.includes(206), `it is asked for by parts: ${statuses}`);
}

// Whoever goes on before a picture has come breaks it off.
const tolerated = (text) => text.includes('net::ERR_ABORTED');

await run('use-film', { tolerated }, film);

await run('use', { tolerated }, async (page) => {
  await contents(page);
  await lists(page);
  await tabs(page);

  // By keyboard alone: the first stop leads past the head of the page, the focus is always seen, and Enter opens.
  await page.goto(at('LIST'));
  await page.keyboard.press('Tab');
  const skip = page.locator('.skip');
  assert.ok(await skip.evaluate((element) => element === document.activeElement && element.getBoundingClientRect().left >= 0));
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  assert.ok(await page.evaluate(() => document.querySelector('main').contains(document.activeElement)), 'past the head');
  let last = -1;
  for (let stop = 0; stop < 12; stop += 1) {
    const [order, seen] = await page.evaluate(() => {
      const all = [...document.querySelectorAll('a, button, input, select')];
      const style = getComputedStyle(document.activeElement);
      return [all.indexOf(document.activeElement), style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2];
    });
    assert.ok(order > last, 'the focus goes as the page reads');
    assert.ok(seen, 'the focus is seen');
    last = order;
    await page.keyboard.press('Tab');
  }
  await page.locator('td.title a').first().focus();
  await page.keyboard.press('Enter');
  await page.locator('.patient h1').waitFor();

  // The wheel, the arrows and the slider go through a series; the address follows.
  await page.goto(`${at('EXAM')}?tab=images&basic=1`);
  const position = page.locator('[data-position]');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('End');
  await reads(position, '4 / 4');
  await page.waitForFunction(() => document.querySelector('[data-frames]').alt.endsWith('4 / 4'));
  await page.waitForURL(/[?&]i=4/);
  await page.locator('.slider').fill('2');
  await reads(position, '2 / 4');
  await page.locator('.frame').hover();
  await page.mouse.wheel(0, 100);
  await page.waitForFunction(() => document.querySelector('[data-position]').textContent === '3 / 4');

  // A zoomed image is moved by wheel and keys, and leafed by pages.
  await page.goto(`${at('EXAM')}?tab=images&basic=1&z=2`);
  const frame = page.locator('.frame');
  const down = () => frame.evaluate((element) => element.scrollTop);
  await page.locator('[data-frames]').evaluate((image) => image.decode());
  await frame.hover();
  await page.mouse.wheel(0, 100);
  assert.ok((await until(down, (top) => top > 0)) > 0, 'the wheel moves a zoomed image');
  await frame.focus();
  await page.keyboard.press('Home');
  assert.equal(await until(down, (top) => top === 0), 0);
  await page.keyboard.press('ArrowDown');
  assert.ok((await until(down, (top) => top > 0)) > 0, 'and so do the arrows');
  await reads(position, '1 / 4');
  await page.keyboard.press('PageDown');
  await reads(position, '2 / 4', 'nothing before has leafed');

  await page.addInitScript(() => { window.print = () => { window.printed = (window.printed ?? 0) + 1; }; });
  await page.goto(`${at('EXAM')}?tab=text`);
  await page.getByRole('button', { name: '打印' }).click();
  assert.equal(await page.evaluate(() => window.printed), 1);
});

// An engine whose lists have no forEach (IE mode, Chromium before 51), and a picture that does not come: what is said is what
// is shown.
await run('use-old', { tolerated: (text) => tolerated(text) || text.includes('status of 503') }, async (page) => {
  await page.addInitScript(() => { delete window.NodeList.prototype.forEach; });
  await page.goto(`${at('EXAM')}?tab=images&basic=1`);
  const [position, picture] = [page.locator('[data-position]'), page.locator('[data-frames]')];
  assert.equal(await page.evaluate(() => typeof document.querySelectorAll('a').forEach), 'undefined');
  const instances = (await picture.getAttribute('data-frames')).split(',').map((one) => one.split(':')[0]);
  const stands = async (number) => {
    await reads(position, `${number} / 4`);
    const [alt, src] = await picture.evaluate((image) => [image.alt, image.src]);
    assert.ok(alt.endsWith(`${number} / 4`) && src.includes(`/frame/${instances[number - 1]}/1.jpg`), `${number}: ${alt} ${src}`);
    assert.match(await page.getByRole('link', { name: '反相' }).getAttribute('href'), new RegExp(`&i=${number}$`));
  };
  await page.keyboard.press('ArrowDown');
  await stands(2);
  await page.locator('.slider').fill('4');
  await stands(4);
  const third = `**/frame/${instances[2]}/**`;
  await page.route(third, (route) => route.fulfill({ status: 503, body: '' }));
  await page.keyboard.press('ArrowUp');
  const note = page.locator('.stage [role="alert"]');
  await reads(note, '第 3 幅未能载入，当前显示的是第 4 幅。');
  await stands(4);
  assert.match(page.url(), /[?&]i=4/);
  await page.keyboard.press('ArrowUp');
  await stands(2);
  await note.waitFor({ state: 'hidden' });
  await page.unroute(third);
  await page.keyboard.press('ArrowDown');
  await stands(3);
});

await run('use-plain', { tolerated, javaScript: false }, async (page) => {
  await contents(page);
  await lists(page);
  await tabs(page);
  assert.equal(await page.getByRole('button', { name: '打印' }).count(), 0, 'a button that does nothing is not shown');
});

await run('use-phone', { viewport: { width: 390, height: 844 }, touch: true, tolerated }, async (page) => {
  // The head of a list is a line of links there: as large as a finger needs, and they sort.
  await page.goto(at('LIST'));
  for (const heading of ['检查时间', '姓名', '类型', '项目', '医院']) {
    const box = await column(page, heading).getByRole('link').boundingBox();
    assert.ok(box && box.height >= 24 && box.width >= 24, `${heading}: ${JSON.stringify(box)}`);
  }
  await column(page, '检查时间').getByRole('link').click();
  assert.equal(await column(page, '检查时间').getAttribute('aria-sort'), 'ascending');
  const rising = await cells(page, '时间');
  assert.deepEqual(rising, sorted(rising));
  await page.goto(at('LIST'));
  const small = await page.evaluate(() => [...document.querySelectorAll('main a, main button, main select, main input')]
    .filter((element) => element.offsetParent !== null)
    .map((element) => [element.textContent.trim() || element.name, element.getBoundingClientRect()])
    .filter(([, box]) => box.height < 24 || box.width < 24)
    .map(([name, box]) => `${name} ${box.width}×${box.height}`));
  assert.deepEqual(small, [], 'everything can be hit with a finger');
  await page.locator('td.title a').first().tap();
  await page.locator('.tabs a').last().scrollIntoViewIfNeeded();
});

const refused = (text) => text.includes('status of 4') || tolerated(text);
await run('use-refused', { tolerated: refused }, async (page) => {
  for (const [name, status, words] of [['FORGED', 403, '链接无效或已过期'], ['EXPIRED', 403, '链接无效或已过期'], ['ENDED', 403, '会话已失效'], ['NOTHING', 404, '没有找到符合条件的检查'], ['MALFORMED', 400, '请求有误']]) {
    const answer = await page.goto(at(name));
    assert.equal(answer.status(), status, name);
    assert.ok((await page.locator('main').innerText()).includes(words), name);
    await page.screenshot({ path: join(required('OUT'), `refused-${name.toLowerCase()}.png`) });
  }
  // A code: wrong digits, then right ones.
  await page.goto(at('CODE'));
  await page.getByLabel('身份证号后四位').fill('0018');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor();
  await page.screenshot({ path: join(required('OUT'), 'refused-code.png') });
  await page.getByLabel('身份证号后四位').fill('0019');
  await page.getByRole('button', { name: '查看' }).click();
  await page.locator('.patient h1').waitFor();
});

// In a hospital's own window, on another host, with cookies shut out: the pages open, close and speak to the window.
const sites = ['allowed', 'foreign'].map((name) => `http://${name === 'allowed' ? 'localhost' : '127.0.0.1'}:${required('HOST_PORT')}`);
const host = createServer((_, response) => {
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.end(`<!doctype html><title>HIS</title><style>body,iframe{margin:0;border:0;width:100%;height:98vh}</style><script>addEventListener('message', (event) => { window.heard = event.data; });</script><iframe src="${at('LINK')}"></iframe>`);
});
await new Promise((resolve) => host.listen(Number(required('HOST_PORT')), '127.0.0.1', resolve));
await run('use-framed', { tolerated, args: ['--test-third-party-cookie-phaseout'] }, async (page, viewer, context) => {
  await page.goto(sites[0]);
  const frame = page.frameLocator('iframe');
  await frame.locator('.patient h1').waitFor();
  await frame.locator('.tabs').getByRole('link', { name: '申请单' }).click();
  await frame.getByRole('button', { name: '关闭' }).click();
  await page.waitForFunction(() => window.heard?.type === 'yingku.close');
  assert.deepEqual(await context.cookies(), [], 'nothing is kept in cookies');
});
await run('use-foreign', { tolerated: (text) => tolerated(text) || text.includes('frame-ancestors') || text.includes('ERR_BLOCKED_BY_RESPONSE') }, async (page) => {
  await page.goto(sites[1]);
  assert.equal(await page.frameLocator('iframe').locator('.patient').count(), 0, 'no other site shows them');
});
host.close();
