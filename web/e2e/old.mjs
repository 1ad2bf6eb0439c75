// A browser of 2020: without the word that lets WebAssembly run under a policy, without structuredClone and its like.
import { renderer, required, assert, run } from './harness.mjs';

const refused = (text) => /WebAssembly|wasm|unsafe-eval|falling back to ArrayBuffer/i.test(text);

/** In the page, before anything else: what Chromium 80 does not have. */
function forget() {
  delete window.structuredClone;
  delete window.Promise.any;
  delete window.Object.hasOwn;
  delete window.Object.groupBy;
  for (const name of ['at', 'findLast', 'findLastIndex', 'toSorted', 'toReversed', 'toSpliced', 'with']) delete window.Array.prototype[name];
  for (const name of ['at', 'replaceAll']) delete window.String.prototype[name];
  delete window.Element.prototype.replaceChildren;
  if (window.crypto) delete window.Crypto.prototype.randomUUID;
}

await run('old', { tolerated: refused }, async (page, viewer) => {
  await page.addInitScript(forget);
  await page.route('**/*', async (route) => {
    if (!['document', 'script', 'other', 'fetch'].includes(route.request().resourceType())) return route.continue();
    const response = await route.fetch();
    const headers = { ...response.headers() };
    const policy = headers['content-security-policy'];
    if (policy) headers['content-security-policy'] = policy.replace(/ 'wasm-unsafe-eval'/, '');
    delete headers['content-encoding'];
    return route.fulfill({ response, headers });
  });
  const address = `${required('URL')}?render=${renderer}`;
  await page.goto(address);
  await viewer.shows({});
  let first;
  for (const name of required('SYNTAXES').split(',')) {
    await viewer.open(name, { series: required(`SERIES_${name}`) });
    await viewer.tool('rectangle');
    await viewer.drag(await viewer.at(8, 8, 128, 128), await viewer.at(119, 119, 128, 128));
    const found = { mean: await viewer.measured('均值 (-?[\\d.]+)'), most: await viewer.measured('范围 -?[\\d.]+ … (-?[\\d.]+)') };
    first ??= found;
    assert.deepEqual(found, first, `${name} gives what uncompressed pixels give`);
    await viewer.tool('erase');
  }
  await viewer.picture('all');
});
