// Whatever hospitals and devices send is text in the viewer: in its strip, corners, menus, panels, marks, pictures and titles.
//
// STUDY: of the series 60 whose every word is hostile, with a presentation state (61) and a key image (62).
import { address, assert, required, run, until } from './harness.mjs';

/** A part of all that is sent, which would run if it were taken for markup. */
const READ = '<img src=x onerror=evil=1>';
const study = required('STUDY');

await run('evil', {}, async (page, viewer) => {
  await page.addInitScript(() => {
    window.refused = [];
    document.addEventListener('securitypolicyviolation', (event) => window.refused.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(address());
  await viewer.shows({});

  /** Nothing of it has become an element, an attribute that runs, or a script. */
  const isText = async (where) => {
    const found = await page.evaluate(() => {
      const made = document.querySelectorAll('x-evil, [onerror], [onload], img[src="x"], script:not([src]):not([type="application/json"])');
      return [...[...made].map((element) => element.outerHTML.slice(0, 160)), ...window.refused, ...(window.evil === undefined ? [] : ['it ran'])];
    });
    assert.deepEqual(found, [], where);
  };
  /** It is read there, as it was sent. */
  const reads = async (where, text, wanted = READ) => {
    const said = await until(text, (found) => found.includes(wanted));
    assert.ok(said.includes(wanted), `${where}: ${said}`);
    await isText(where);
  };
  const words = (selector) => () => page.locator(selector).first().textContent();

  await reads('the title of the page', () => page.title());
  await reads('the line of the exam', words('.bar .what'));
  await reads('the strip', words('.thumbnail .name'));
  const thumbnail = page.locator(`.thumbnail[data-series="${study}.60"]`);
  await reads('a name to point at', () => thumbnail.getAttribute('title'));
  await reads('the report', words('.side'));

  // The stack of the hostile device: corners, and the name of the pane.
  const open = async () => {
    await thumbnail.click();
    await viewer.shows({ series: `${study}.60`, index: 0, count: 3, loaded: 3 });
  };
  await open();
  await reads('the corners', words('[data-pane="1"] .corner.tr'));
  await reads('the name of the pane', () => viewer.pane().getAttribute('aria-label'));
  await viewer.picture('corners');

  // Under the mouse, and in what is measured: the unit is the device's word.
  const loud = READ.toUpperCase();
  await page.mouse.move(...(await viewer.at(32, 32, 64, 64)));
  await reads('the pixel under the mouse', words('[data-pane="1"] .probe'), loud);
  await viewer.tool('rectangle');
  await viewer.drag(await viewer.at(20, 20, 64, 64), await viewer.at(40, 40, 64, 64));
  await reads('a measurement', words('[data-pane="1"] svg.svg-layer'), loud);
  const [saved] = await Promise.all([page.waitForEvent('download'), viewer.tool('save')]);
  assert.match(saved.suggestedFilename(), /^CT-1\.jpg$/);
  await isText('a picture to keep');
  await viewer.tool('erase');
  await viewer.tool('window');

  // What it calls its windows.
  await viewer.tool('presets');
  const preset = page.locator('[role="menuitemradio"]', { hasText: READ });
  await reads('the windows', () => preset.first().textContent());
  await preset.first().click();
  await viewer.shows({ width: 200, center: 500 });
  await isText('a window of its own');

  // A presentation state: its name, and what it writes on the image.
  await viewer.tool('states');
  const state = page.locator(`[data-state-uid="${study}.61.1"]`);
  await reads('the presentation states', () => state.textContent());
  await state.click();
  await viewer.shows({ index: 1, presentation: `${study}.61.1`, width: 300, center: 60 });
  await isText('a presentation state');
  await viewer.picture('state');

  // A key image: why it was marked.
  await page.keyboard.press('End');
  await viewer.shows({ index: 2 });
  const mark = page.locator(`[data-key="${study}.60.3"]`);
  await reads('a key image', () => mark.textContent());
  const marked = (await mark.textContent()).split(READ).length - 1;
  assert.equal(marked, 2, 'its title and its description');

  // Every attribute of the object, those in sequences and of private makers among them.
  await viewer.tool('tags');
  const tags = page.locator('.side table.tags');
  const row = (tag) => () => tags.locator('tr', { has: page.locator(`th:text-is("${tag}")`) }).locator('.tag-value').textContent();
  for (const tag of ['0008,103E', '0008,1030', '0008,0070', '0008,0080', '0010,4000', '0018,0015', '0018,1030', '0020,4000', '0028,1054', '0028,1055', '0032,1060', '6000,0022', '6000,1500']) {
    await reads(`the attribute ${tag}`, row(tag));
  }
  await page.locator('.side input').fill('onerror');
  await page.waitForFunction(() => {
    const values = [...document.querySelectorAll('.side .tag-value')];
    return values.length > 12 && values.every((value) => value.textContent.includes('onerror'));
  });
  await isText('what was looked for');
  await page.locator('.side input').fill(READ);
  await page.waitForFunction(() => document.querySelectorAll('.side .tag-value').length > 12);
  await isText('what was typed');
  await viewer.picture('tags');

  // An earlier exam, and several panes.
  const prior = page.locator('.prior > button').first();
  await reads('an earlier exam', () => prior.textContent());
  await prior.click();
  await page.locator('.prior .thumbnail').first().waitFor();
  await isText('its series');
  await viewer.tool('layout');
  await page.locator('[data-layout="2×2"]').click();
  for (const id of ['1', '2', '3', '4']) await page.locator(`[data-pane="${id}"][data-state="shown"]`).waitFor();
  await isText('four panes');
  await viewer.picture('all');
});
