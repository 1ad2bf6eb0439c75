// What a link asks for and what a report says of itself: the tab that comes first (ShowType), the way out (ShowClose), critical
// values, earlier versions, and what goes on paper.
//
// BASE; SHOWS: by ShowType the addresses of an exam with everything; EXAM, LAB, LIST; CLOSING: with ShowClose; SEALED: the
// address of an exam in a server that lets nobody print or keep anything.
import { assert, required, run, until } from './harness.mjs';

const base = required('BASE');
const at = (name) => `${base}${required(name)}`;
const ALL = ['图文报告', '文字报告', '影像', '电子胶片', '心电波形', '视频', '文档', '申请单', '附件'];
const DATA = ['影像', '电子胶片', '心电波形', '视频', '附件'];
const WORD = '右肺上叶见小结节';
// Whoever goes on before a picture has come breaks it off.
const tolerated = (text) => text.includes('net::ERR_ABORTED');

// Without scripts, so that the images stay on the page that the server made.
await run('shows', { tolerated, javaScript: false }, async (page) => {
  for (const [show, path] of Object.entries(JSON.parse(required('SHOWS')))) {
    await page.goto(`${base}${path}`);
    const [first, tabs] = { 1: ['文字报告', ALL], 2: ['影像', ALL], 3: ['影像', DATA], 4: ['申请单', ALL] }[show] ?? ['图文报告', ALL];
    assert.deepEqual(await page.locator('.tabs a').allInnerTexts(), tabs, `ShowType ${show}`);
    assert.equal(await page.locator('.tabs [aria-current="page"]').innerText(), first, `ShowType ${show}`);
    assert.equal(await page.locator('.content').getByText(WORD).count(), show === '1' ? 1 : 0, `ShowType ${show}: words of the report`);
    assert.equal(await page.locator('.report img.page').count() > 0, first === '图文报告', `ShowType ${show}: pages of the report`);
    assert.equal(await page.locator('.stage [data-frames]').count(), first === '影像' ? 1 : 0, `ShowType ${show}: an image`);
    assert.equal(await page.locator('main > .notice').count(), 0, `ShowType ${show}: nothing takes its place`);
    assert.equal(await page.getByRole('button', { name: '关闭' }).count(), 0, 'nobody has asked for a way out');
  }
});

await run('shows-close', { tolerated }, async (page, viewer) => {
  await page.addInitScript(() => { window.close = () => { window.left = true; }; });
  const leaves = async (button) => {
    await button.click();
    assert.equal(await page.evaluate(() => window.left), true, 'it closes the window');
  };
  await page.goto(at('CLOSING'));
  await leaves(page.getByRole('button', { name: '关闭' }));
  await page.goto(`${at('CLOSING')}/viewer?render=cpu`);
  await viewer.shows({});
  await leaves(page.locator('.ways button', { hasText: '关闭' }));
  await page.goto(`${at('EXAM')}/viewer?render=cpu`);
  await viewer.shows({});
  assert.equal(await page.locator('.ways button', { hasText: '关闭' }).count(), 0, 'nobody has asked for it');
});

await run('shows-states', { tolerated }, async (page) => {
  // What is critical is said in the list, over the results and beside the one that is.
  await page.goto(at('LIST'));
  const critical = page.locator('.exams tr.critical');
  assert.equal(await critical.count(), 1);
  assert.equal(await critical.locator('.label.alarm').innerText(), '危急');
  await critical.locator('.title a').click();
  const alarm = page.getByRole('alert');
  await alarm.waitFor();
  assert.match(await alarm.innerText(), /^危急值\s+血小板计数 18 10\^9\/L$/);
  assert.equal(await page.locator('.patient .label.alarm').innerText(), '危急');
  const row = page.locator('.lab tr.critical');
  assert.deepEqual([await row.count(), await row.locator('td').first().innerText()], [1, '血小板计数']);
  // From a result to its values over time and back.
  await page.getByRole('link', { name: '血小板计数 趋势图' }).click();
  await page.locator('.chart img').evaluate((image) => image.decode());
  assert.ok((await page.locator('.chart img').evaluate((image) => image.naturalWidth)) > 300, 'the curve is drawn');
  assert.deepEqual((await page.locator('td[data-label="结果"]').allInnerTexts()).sort(), ['18', '96']);
  await page.getByText('未能识别为数值的结果：1').waitFor();
  await page.getByRole('link', { name: /返回检验结果/ }).click();
  await row.waitFor();

  // A revised report says so; what it said before is read apart, and nobody takes it for what holds.
  await page.goto(`${at('EXAM')}?tab=text`);
  assert.equal(await page.locator('.patient .label.revised').innerText(), '已修订');
  const old = page.locator('.notice.old');
  assert.equal(await old.count(), 0);
  for (const [name, words] of [['第 1 版', '初步：右肺上叶小结节？'], ['第 2 版', '右肺上叶小结节，直径约4mm。']]) {
    await page.locator('.versions').getByRole('link', { name }).click();
    await old.waitFor();
    assert.match(await old.innerText(), /旧版报告/);
    const text = await until(() => page.locator('.text.old').innerText(), (found) => found.includes(words));
    assert.ok(text.includes(words) && !text.includes(WORD), `${name}: ${text}`);
    assert.equal(await page.locator('.versions [aria-current]').innerText(), name);
    await page.getByRole('link', { name: '返回现行版本' }).click();
    await old.waitFor({ state: 'detached' });
    await page.locator('.content').getByText(WORD).waitFor();
  }
});

await run('shows-paper', { tolerated }, async (page, viewer) => {
  const SCREEN = '.bar, .foot, .tabs, .actions, .controls, .aside, .paging, .search, .skip, .crumbs, .lab .trend';
  const seen = (selector) => page.evaluate((wanted) => [...document.querySelectorAll(wanted)].filter((element) => element.getClientRects().length > 0).map((element) => element.className), selector);
  for (const [path, shown] of [[`${at('EXAM')}?tab=text`, WORD], [at('LAB'), '血小板计数'], [at('LIST'), '血常规']]) {
    await page.goto(path);
    assert.ok((await seen(SCREEN)).length > 2, `${path}: there is what is of the screen alone`);
    await page.emulateMedia({ media: 'print' });
    assert.deepEqual(await seen(SCREEN), [], `${path}: and none of it on paper`);
    assert.ok(await page.locator('main').getByText(shown).first().isVisible(), `${path}: what was read is on paper`);
    await page.emulateMedia({ media: null });
  }
  // Who may not print or keep anything reads on the screen alone.
  await page.goto(required('SEALED'));
  assert.ok(await page.locator('.patient').isVisible());
  assert.equal(await page.getByRole('button', { name: '打印' }).count(), 0);
  await page.emulateMedia({ media: 'print' });
  assert.equal(await page.locator('.patient').isVisible(), false, 'the paper stays empty');
  assert.deepEqual(await seen('body, body *'), []);
  await page.emulateMedia({ media: null });
  await page.goto(`${required('SEALED')}/viewer?render=cpu`);
  await viewer.shows({});
  for (const way of ['[data-tool="print"]', '[data-tool="save"]', '[data-way="download"]']) assert.equal(await page.locator(way).count(), 0, way);
  await page.emulateMedia({ media: 'print' });
  assert.deepEqual(await seen('#viewer *, #viewer-failed'), [], 'nor of the viewer');
});
