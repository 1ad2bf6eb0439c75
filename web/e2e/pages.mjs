// Every page on every screen: nothing sticks out, nothing jumps, nothing is refused by the policy, axe has no objection, and
// everything can be reached, named and read.
//
// PAGES: a list of { name, path, status, shows?: text, hides?: text, print?: boolean, types?: text, key?: text }, of which `types` is
// sent by the page's form and leads to the page that is looked at, and `key` is a system's; BASE: the server; SCREENS: which of those
// below; THEIRS: words that hospitals send, which nobody translates. Pictures are kept of pages with faults, and of all with
// YINGKU_TEST_PICTURES: nothing is asserted of them, and each is drawn from its top to its end.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { faint, nameless, unreached } from './everybody.mjs';
import { assert, required, run } from './harness.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SCREENS = {
  desk: { viewport: { width: 1280, height: 800 }, axe: true, keys: true },
  ward: { viewport: { width: 1024, height: 768 } },
  phone: { viewport: { width: 390, height: 844 }, touch: true, axe: true },
  plain: { viewport: { width: 1024, height: 768 }, javaScript: false },
  evil: { viewport: { width: 1280, height: 800 } },
  english: { viewport: { width: 1280, height: 800 }, locale: 'en-US' },
};
/** How much of the screen may move while a page comes: https://web.dev/cls */
const MOST_SHIFT = 0.02;

const pages = JSON.parse(required('PAGES'));
const base = required('BASE');
const theirs = JSON.parse(required('THEIRS')).sort((a, b) => b.length - a.length);

/** In the page, before anything else: adds up what jumps, and what the policy refuses. */
function watch() {
  window.watched = { shift: 0, sources: [], refused: [] };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.hadRecentInput) continue;
      window.watched.shift += entry.value;
      for (const { node } of entry.sources) window.watched.sources.push(`${node?.nodeName}.${node?.className} ${entry.value.toFixed(4)}`);
    }
  }).observe({ type: 'layout-shift', buffered: true });
  document.addEventListener('securitypolicyviolation', (event) => window.watched.refused.push(`${event.violatedDirective} ${event.blockedURI}`));
}

/** Goes down the page as a reader does, so that what is loaded late is loaded, and waits for all pictures. */
async function readThrough(page) {
  await page.evaluate(async () => {
    for (let y = 0; y < document.documentElement.scrollHeight; y += window.innerHeight) {
      window.scrollTo(0, y);
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    }
    const waiting = [...document.images].map((image) => image.decode().catch(() => { throw new Error(`no picture: ${image.src}`); }));
    await Promise.all(waiting);
    window.scrollTo(0, 0);
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  });
}

/** What the page that is looked at answers. */
let wanted = 200;
// A film that has not come whole is broken off by who goes on, and a refusal is one.
const tolerated = (text) => text.includes('net::ERR_ABORTED') || (wanted !== 200 && text.includes(`status of ${wanted}`));

for (const screen of required('SCREENS').split(',')) {
  const options = SCREENS[screen];
  const hasScript = options.javaScript !== false;
  await run(`pages-${screen}`, { tolerated, ...options }, async (page) => {
    const faults = [];
    await page.addInitScript(watch);
    for (const { name, path, status, shows, hides, print, types, key } of pages) {
      wanted = status;
      await page.setExtraHTTPHeaders(key ? { Authorization: `Bearer ${key}` } : {});
      let answer = await page.goto(`${base}${path}`, { waitUntil: 'load' });
      if (types) {
        const next = page.waitForNavigation({ waitUntil: 'load' });
        await page.locator('.ask input').fill(types);
        await page.locator('.ask button').click();
        answer = await next;
      }
      assert.equal(answer.status(), status, path);
      const before = faults.length;
      const fault = (text) => faults.push(`${name}: ${text}`);
      const picture = async (medium) => {
        if (!process.env.YINGKU_TEST_PICTURES && faults.length === before) return;
        await page.screenshot({ path: join(required('OUT'), `${screen}-${name}${medium}.png`), fullPage: true });
      };
      if (hasScript) {
        await readThrough(page);
        const { shift, sources, refused } = await page.evaluate(() => window.watched);
        if (shift >= MOST_SHIFT) fault(`jumps by ${shift.toFixed(3)}: ${sources.join(', ')}`);
        if (refused.length) fault(`the policy refused ${refused}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        if (wide > options.viewport.width) fault(`is ${wide} wide`);
        if (await page.evaluate(() => window.evil !== undefined || document.querySelector('x-evil, [onerror], [onload]') !== null)) fault('runs what a hospital sent');
        const broken = await page.evaluate(() => [...document.querySelectorAll('.exams .person .soft')].map((words) => {
          const range = document.createRange();
          range.selectNodeContents(words);
          return [words.textContent, new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size];
        }).filter(([, lines]) => lines > 1));
        if (broken.length) fault(`sex and age stand on more than one line: ${broken.slice(0, 3).join(' | ')}`);
        const languages = await page.evaluate(() => [document.documentElement.lang, document.querySelectorAll('h1').length]);
        assert.deepEqual(languages, [screen === 'english' ? 'en' : 'zh-CN', 1], `${name}: language and number of headings`);
      }
      const text = await page.locator('body').innerText();
      if (shows && !text.includes(shows)) fault(`does not show ${shows}`);
      if (hides && text.includes(hides)) fault(`shows ${hides}`);
      if (screen === 'english') {
        const said = await page.evaluate(() => {
          const names = ['title', 'aria-label', 'alt', 'placeholder', 'data-label'];
          const labels = [...document.querySelectorAll(names.map((name) => `[${name}]`))];
          const attributes = labels.flatMap((element) => names.map((name) => element.getAttribute(name) ?? ''));
          const own = [...document.querySelectorAll('[lang="zh-CN"]')].map((element) => element.textContent);
          const text = own.reduce((text, part) => text.replace(part, ''), document.body.textContent);
          return [document.title, text, ...attributes].join(' ');
        });
        const ours = theirs.reduce((text, word) => text.replaceAll(word, ''), said);
        const left = [...new Set(ours.match(/[^\s\u0000-\u02ff]*[\u4e00-\u9fff]+[^\s\u0000-\u02ff]*/g) ?? [])];
        if (left.length) fault(`is not English: ${left.join(' | ')}`);
      }
      if (print) {
        await page.emulateMedia({ media: 'print' });
        for (const hidden of ['.bar', '.tabs', '.foot']) {
          if (await page.locator(hidden).first().isVisible()) fault(`prints ${hidden}`);
        }
        await picture('-print');
        await page.emulateMedia({ media: 'screen' });
      }
      if (options.axe) {
        await page.evaluate(AXE);
        const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
        for (const { id, impact, nodes } of found.violations) {
          if (impact === 'serious' || impact === 'critical' || impact === 'moderate') {
            fault(`axe ${impact} ${id}: ${nodes.slice(0, 4).map((node) => `${node.target} (${node.any[0]?.message ?? node.none[0]?.message ?? ''})`).join('; ')}`);
          }
        }
        for (const found of [...(await nameless(page)), ...(await faint(page))]) fault(found);
      }
      if (options.keys) for (const found of await unreached(page)) fault(found);
      await picture('');
    }
    assert.deepEqual(faults, []);
  });
}
