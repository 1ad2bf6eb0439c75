// Whatever kind of markup a hospital, a device or a user sends is text on every page and tab, with scripts and without.
//
// BASE: the server; CORPUS: the payloads, each of which begins with § and its number; PAGES: a list of { name, path, status,
// within?: where, as a selector, one of them is to be read, types?: what its form is sent with, for the page that comes then }.
import { join } from 'node:path';
import { assert, required, run } from './harness.mjs';

const base = required('BASE');
const corpus = JSON.parse(required('CORPUS'));
const pages = JSON.parse(required('PAGES'));

/** In the page: which payloads are read, whether letter by letter, and what of them has become anything but text. */
function look([payloads, within]) {
  const [faults, seen, inside] = [[], new Set(), new Set()];
  const read = (text, where, element) => {
    for (const { index, 1: number } of text.matchAll(/§(\d\d) /g)) {
      if (!text.startsWith(payloads[Number(number)], index)) {
        faults.push(`${where} has changed ${number}: ${text.slice(index, index + 80)}`);
        continue;
      }
      seen.add(number);
      if (within && element.closest(within)) inside.add(number);
    }
  };
  const leads = (element, name) => {
    const value = element.getAttribute(name);
    if (value === null) return;
    const { protocol, host } = new URL(value, document.baseURI);
    if (!/^https?:$/.test(protocol) || host !== location.host) faults.push(`${name} leads to ${value}`);
  };
  const walker = document.createTreeWalker(document, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT | NodeFilter.SHOW_COMMENT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.nodeType === Node.TEXT_NODE) read(node.data, node.parentElement.tagName, node.parentElement);
    if (node.nodeType === Node.COMMENT_NODE && /§|evil/.test(node.data)) faults.push(`a comment: ${node.data}`);
    if (node.nodeType !== Node.ELEMENT_NODE) continue;
    for (const { name, value } of node.attributes) {
      read(value, `${node.tagName} ${name}`, node);
      if (/^on|[<>"'=]/.test(name)) faults.push(`the attribute ${name} of ${node.outerHTML.slice(0, 120)}`);
    }
    for (const name of ['href', 'src', 'action', 'formaction', 'poster']) leads(node, name);
  }
  const made = document.querySelectorAll('x-evil, svg, math, iframe, object, embed, base, template, style, script:not([src]), [srcdoc], [style*="fixed"]');
  faults.push(...[...made].map((element) => `an element: ${element.outerHTML.slice(0, 120)}`));
  if (window.evil !== undefined) faults.push('it ran');
  if (document.querySelector('main').getClientRects().length === 0) faults.push('the page is hidden');
  return { faults, seen: [...seen], inside: [...inside] };
}

/** What the page that is looked at answers. */
let wanted = 200;
// A film that has not come whole is broken off by who goes on, and a refusal is one.
const tolerated = (text) => text.includes('net::ERR_ABORTED') || (wanted !== 200 && text.includes(`status of ${wanted}`));

for (const [screen, javaScript] of [['hostile', true], ['hostile-plain', false]]) {
  await run(screen, { tolerated, javaScript }, async (page) => {
    const [faults, read] = [[], new Set()];
    let shown = '';
    page.on('request', (request) => {
      const { protocol, origin } = new URL(request.url());
      if (protocol !== 'data:' && origin !== base) faults.push(`${shown}: asks for ${request.url()}`);
    });
    for (const { name, path, status, within, types } of pages) {
      [shown, wanted] = [name, status];
      let answer = await page.goto(`${base}${path}`, { waitUntil: 'load' });
      if (types) {
        const next = page.waitForNavigation({ waitUntil: 'load' });
        await page.locator('.ask input').fill(types);
        await page.locator('.ask button').click();
        answer = await next;
      }
      assert.equal(answer.status(), status, path);
      const found = await page.evaluate(look, [corpus, within ?? null]);
      faults.push(...found.faults.map((text) => `${name}: ${text}`));
      for (const number of found.seen) read.add(number);
      if (within && found.inside.length === 0) faults.push(`${name}: nothing is read within ${within}`);
      if (page.url().split('?')[0] !== answer.url().split('?')[0] || page.frames().length !== 1) faults.push(`${name}: is not alone, or not where it was`);
      await page.screenshot({ path: join(required('OUT'), `${screen}-${name}.png`), fullPage: true });
    }
    assert.deepEqual(faults, []);
    assert.deepEqual([...read].sort(), corpus.map((text) => text.slice(1, 3)), 'each kind has been read somewhere');
  });
}
