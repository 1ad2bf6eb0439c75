// Workers and decoders that do not come: nobody waits for ever, and what failed can be had again.
import { address, assert, required, run } from './harness.mjs';

const tolerated = (text) => /ERR_FAILED|ERR_ABORTED|Failed to fetch/.test(text);

await run('decoder', { tolerated }, async (page, viewer) => {
  const choose = (name) => page.locator('.thumbnail', { hasText: name }).click();
  const shows = (name, state = 'shown') => page.locator(`[data-pane="1"][data-state="${state}"][data-series="${required(`SERIES_${name}`)}"]`).waitFor();
  const cut = (route) => route.abort('failed');
  // The worker itself.
  await page.route('**/static/viewer/decode.worker-*', cut);
  await page.goto(address());
  await shows('native', 'failed');
  await viewer.picture('no-worker');
  await page.unroute('**/static/viewer/decode.worker-*', cut);
  await page.locator('.note.failed button').click();
  await shows('native');
  // A decoder that it needs: the server decodes in its place.
  await page.route('**/static/viewer/*.wasm', cut);
  await page.route(/static\/viewer\/(openjpeg|charls|lossless)/, cut);
  const plain = page.waitForRequest((request) => /frames\/1$/.test(request.url()) && request.headers().accept.includes('1.2.840.10008.1.2.1'));
  await choose('jpeg2000');
  await shows('jpeg2000');
  await plain;
  await choose('lossless');
  await shows('lossless');
  await viewer.picture('decoded-by-the-server');
  // With the line back, those that were not needed before work.
  await page.unroute('**/static/viewer/*.wasm', cut);
  await page.unroute(/static\/viewer\/(openjpeg|charls|lossless)/);
  const wasm = page.waitForResponse((response) => response.url().endsWith('.wasm') && response.ok());
  await choose('jpegls');
  await shows('jpegls');
  await wasm;
  assert.equal(await viewer.number('count'), 1);
});
