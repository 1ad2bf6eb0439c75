// What a page owes to everybody, whatever it is about: each control is reached by keys, seen when it has the focus and known by
// a name, and all words stand out from what is behind them. Each function gives what is wrong, in words.

/** In the page: the controls that can be seen and used, kept in `window.controls`. */
function findControls() {
  const every = 'a[href], button, input:not([type="hidden"]), select, textarea, summary, [tabindex]:not([tabindex="-1"])';
  const isUsed = (element) => !element.disabled && element.getClientRects().length > 0 && getComputedStyle(element).visibility === 'visible';
  window.controls = [...document.querySelectorAll(every)].filter(isUsed);
  window.reached = new Set();
  window.last = undefined;
  // From the beginning of the page.
  const { body } = document;
  body.setAttribute('tabindex', '-1');
  body.focus();
  body.removeAttribute('tabindex');
  return window.controls.length;
}

/** In the page: notes where the focus is; nothing when it has left the page or come round. */
function noteFocus() {
  const { activeElement: element } = document;
  if (!element || element === document.body || (window.reached.has(element) && window.last !== element)) return null;
  // A stop inside of it, which the browser shows itself.
  if (window.last === element) return '';
  window.last = element;
  window.reached.add(element);
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  // What browsers draw themselves has no width that says anything.
  const isSeen = outlineStyle === 'auto' || (outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2);
  return isSeen || !window.controls.includes(element) ? '' : `the focus is not seen on ${element.outerHTML.slice(0, 120)}`;
}

/** Controls that Tab does not lead to, or on which nobody sees the focus. */
export async function unreached(page) {
  const count = await page.evaluate(findControls);
  const faults = [];
  // Fields of dates, and players, have stops of their own inside.
  for (let stop = 0; stop < count * 2 + 40; stop += 1) {
    await page.keyboard.press('Tab');
    const fault = await page.evaluate(noteFocus);
    if (fault === null) break;
    if (fault) faults.push(fault);
  }
  const left = await page.evaluate(() => window.controls.filter((element) => element.isConnected && !window.reached.has(element)).map((element) => element.outerHTML.slice(0, 120)));
  return [...faults, ...left.map((html) => `Tab does not lead to ${html}`)];
}

/** Controls and pictures without a name. */
export const nameless = (page) =>
  page.evaluate(() => {
    // Words that are not shown are no name: signs alone need another one.
    const words = (element) => element.innerText.trim() || [...element.querySelectorAll('img[alt], [aria-label]')].map((inner) => inner.getAttribute('alt') || inner.getAttribute('aria-label')).join(' ').trim();
    const by = (element) => (element.getAttribute('aria-labelledby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent ?? '').join(' ').trim();
    const named = (element) => by(element) || element.getAttribute('aria-label') || [...(element.labels ?? [])].map((label) => label.textContent).join(' ').trim() || words(element) || element.getAttribute('title');
    const controls = [...document.querySelectorAll('a[href], button, input:not([type="hidden"]), select, textarea, video, iframe, [role="slider"], [role="group"], [role="menu"], [role="toolbar"], [tabindex]:not([tabindex="-1"])')];
    const pictures = [...document.querySelectorAll('img')].filter((image) => image.getAttribute('alt') === null);
    const isThere = (element) => element.getClientRects().length > 0 && getComputedStyle(element).visibility === 'visible';
    return [...controls.filter((element) => !named(element)), ...pictures].filter(isThere).map((element) => `no name: ${element.outerHTML.slice(0, 120)}`);
  });

/** Words whose contrast to what is behind them is less than 4.5 (WCAG 2.1, 1.4.3); large ones are no exception here. */
export const faint = (page) =>
  page.evaluate(() => {
    const LEAST = 4.5;
    const parts = (color) => {
      const numbers = (color.match(/[\d.]+/g) ?? []).map(Number);
      return numbers.length >= 3 ? [...numbers.slice(0, 3), numbers[3] ?? 1] : [0, 0, 0, 0];
    };
    const over = (front, back) => front.slice(0, 3).map((value, at) => value * front[3] + back[at] * (1 - front[3]));
    const luminance = (color) => {
      const [red, green, blue] = color.map((value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const contrast = (a, b) => (Math.max(luminance(a), luminance(b)) + 0.05) / (Math.min(luminance(a), luminance(b)) + 0.05);
    /** What is behind an element: its own ground and those under it, down to the first that nothing shines through. */
    const ground = (element) => {
      const layers = [];
      for (let at = element; at; at = at.parentElement) {
        layers.push(parts(getComputedStyle(at).backgroundColor));
        if (layers.at(-1)[3] === 1) break;
      }
      return layers.reverse().reduce((back, layer) => over(layer, back), [255, 255, 255]);
    };
    const worst = new Map();
    const check = (element, style, text) => {
      const back = ground(element);
      const found = contrast(over(parts(style.color), back), back);
      if (found < LEAST) worst.set(`${element.tagName}.${element.className}`, `contrast ${found.toFixed(2)}: ${element.tagName}.${element.className} "${text.trim().slice(0, 40)}"`);
    };
    const isSeen = (element) => element.getClientRects().length > 0 && getComputedStyle(element).visibility === 'visible' && !element.closest(':disabled, svg, option');
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (node.textContent.trim() && !/^(SCRIPT|STYLE|NOSCRIPT|TEMPLATE)$/.test(element.tagName) && isSeen(element)) check(element, getComputedStyle(element), node.textContent);
    }
    for (const element of document.querySelectorAll('body *')) {
      if (!isSeen(element)) continue;
      for (const part of ['::before', '::after']) {
        const style = getComputedStyle(element, part);
        // Dots and ticks between words are an ornament.
        if (/[\p{L}\p{N}]/u.test(style.content) && style.content !== 'none' && style.content !== 'normal' && style.display !== 'none') check(element, style, style.content);
      }
      if (element.matches('input, textarea, select')) {
        check(element, getComputedStyle(element), element.value || element.tagName);
        if (element.placeholder) check(element, getComputedStyle(element, '::placeholder'), element.placeholder);
      }
    }
    return [...worst.values()];
  });
