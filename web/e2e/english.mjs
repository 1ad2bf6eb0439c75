// In English no word of ours is Chinese, on any state of the page; what hospitals send stays as it is.
import { address, assert, run } from './harness.mjs';

const THEIRS = [
  '测试甲', '测试医生甲', '示例医院', '胸部CT平扫', '胸部', '平扫', '矢状位', '胸片', '截图', '彩色', '结节 <b>复查</b>', '右肺结节标注',
  '1、双肺纹理清晰。', '2、右肺上叶见小结节，直径约4mm。', '3、心影不大。', '1、右肺上叶小结节，建议随访。', '2、余未见明显异常。',
];

await run('english', { locale: 'en-US' }, async (page, viewer) => {
  await page.goto(address('&lang=en'));
  await viewer.shows({ loaded: 12 });
  const check = async (what) => {
    const said = await page.evaluate(() => {
      const names = ['title', 'aria-label', 'alt', 'placeholder', 'data-preset'];
      const labels = [...document.querySelectorAll(names.map((name) => `[${name}]`))];
      const attributes = labels.flatMap((element) => names.map((name) => element.getAttribute(name) ?? ''));
      const lines = [...document.body.querySelectorAll('*')].flatMap((element) => (['SCRIPT', 'STYLE'].includes(element.tagName) ? [] : [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data)));
      return [document.title, ...lines, ...attributes].join('\n');
    });
    const ours = THEIRS.reduce((text, words) => text.replaceAll(words, ''), said);
    const left = [...new Set(ours.match(/\S*[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]+\S*/g) ?? [])];
    assert.deepEqual(left, [], what);
  };
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'en');
  // The report is open, under English headings.
  await page.locator('.side', { hasText: 'Findings' }).waitFor();
  await check('the page as it opens');
  for (const menu of ['presets', 'layout']) {
    await viewer.tool(menu);
    await page.locator('[role="menu"]').waitFor();
    await check(menu);
    await page.keyboard.press('Escape');
  }
  for (const panel of ['tags', 'help']) {
    await viewer.tool(panel);
    if (panel === 'tags') await page.locator('.side input').fill('(0028');
    await check(panel);
  }
  await viewer.picture('help');
  await viewer.open('胸片', { count: 1 });
  await viewer.tool('presets');
  await page.locator('[data-preset="Harder"]').waitFor();
  await check('harder and softer');
  await page.keyboard.press('Escape');
  await viewer.open('平扫', { count: 12 });
  await viewer.tool('rectangle');
  await viewer.drag(await viewer.at(80, 80), await viewer.at(140, 140));
  await viewer.measured('Mean (-?[\\d.]+) HU');
  await check('a measurement');
  await viewer.tool('keys');
  await page.locator('.key-mark').waitFor();
  assert.ok((await page.locator('.key-mark').textContent()).includes('Of Interest'));
  await check('a key image');
  await viewer.tool('states');
  await check('presentation states');
  await page.keyboard.press('Escape');
  await page.locator('.prior > button').click();
  await page.locator('.prior .thumbnail').first().waitFor();
  await check('a prior exam');
  await viewer.tool('mpr');
  await page.locator('[data-volume="shown"]').waitFor();
  await check('three planes');
  await viewer.picture('planes');
  await page.locator('[data-plane-tool="help"]').click();
  await page.locator('.volume .side').waitFor();
  await page.locator('.volume [data-tool="presets"]').click();
  await check('what three planes offer');
  await page.keyboard.press('Escape');
  await page.keyboard.press('t');
  await page.keyboard.press('l');
  const plane = await page.locator('[data-plane="axial"] .image').boundingBox();
  const middle = [plane.x + plane.width / 2, plane.y + plane.height / 2];
  await viewer.drag([middle[0] - 60, middle[1] + 40], [middle[0] + 60, middle[1] + 40]);
  await page.locator('[data-plane="axial"] tspan', { hasText: 'mm (projected)' }).waitFor();
  await check('a length on a plane');
  await page.keyboard.press('Escape');
  await page.locator('[data-volume]').waitFor({ state: 'detached' });
  await viewer.picture('all');
});
