// The first image stands in the page before the viewer runs, in its place, and gives way to what the viewer draws; when the
// viewer never comes, it stays, and the way to the basic page is seen above it.
import { assert, near, required, run, until } from './harness.mjs';

const ENGINE = /\/static\/viewer\/(window|engine)-[\w-]+\.js$/;

const place = (page, selector) =>
  page.evaluate((wanted) => {
    const { x, y, width, height } = document.querySelector(wanted).getBoundingClientRect();
    return [x, y, width, height];
  }, selector);

for (const [name, viewport] of [['desk', { width: 1280, height: 800 }], ['old', { width: 1024, height: 768 }], ['phone', { width: 390, height: 844 }]]) {
  await run(`early-${name}`, { viewport }, async (page, viewer) => {
    const asked = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    let release;
    const held = new Promise((resolve) => (release = resolve));
    await page.route(ENGINE, async (route) => {
      await held;
      await route.continue();
    });
    await page.goto(required('URL'), { waitUntil: 'commit' });
    await page.waitForFunction(() => document.getElementById('first-picture')?.complete);
    assert.equal(await page.evaluate(() => document.getElementById('first-picture').naturalWidth), 256, 'the first image, as large as it is');
    assert.match(await page.innerText('.bar'), /测试甲/, 'whose image it is');
    assert.equal(await page.locator('[data-pane]').count(), 0, 'the viewer is not there');
    const before = await place(page, '.pane');
    await viewer.picture('before');
    // What the viewer draws first does not wait for what draws it.
    for (const wanted of [/\/metadata$/, /\/decode\.worker-[\w-]+\.js$/, /\/frames\/1$/]) {
      assert.ok(await until(() => asked.some((path) => wanted.test(path)), Boolean), `${wanted} is asked for before the engine is there`);
    }
    release();
    await viewer.shows({});
    const after = await place(page, '.pane');
    for (const at of [0, 1, 2, 3]) near(after[at], before[at], 1, `the pane of ${name} stays where it was (${at})`);
    assert.equal(await page.locator('#first-picture').count(), 0, 'the viewer draws the image itself');
  });
}

// The refusal of a module that does not come has no words of its own.
await run('early-never', { tolerated: (text) => text === 'pageerror: ' || /ERR_FAILED|Failed to fetch dynamically|Failed to load/.test(text) }, async (page, viewer) => {
  await page.route(ENGINE, (route) => route.abort());
  await page.goto(required('URL'));
  const note = page.locator('#viewer-failed');
  await note.waitFor();
  const [, top, , height] = await place(page, '#viewer-failed');
  assert.ok(top >= 0 && top + height < 200, 'it is seen without scrolling');
  assert.equal(await page.locator('#first-picture').count(), 1, 'the image stays');
  await viewer.picture('never');
  await note.locator('a').click();
  await page.waitForURL(/basic=1/);
});
