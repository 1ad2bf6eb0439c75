// Inside the page of another host that lets nobody keep cookies, and is told when its reader leaves; on the ward's old screen.
import { createServer } from 'node:http';
import { address, assert, run } from './harness.mjs';

const host = createServer((_, response) => {
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.end(`<!doctype html><title>HIS</title><style>body,iframe{margin:0;border:0;width:100%;height:98vh}</style><script>addEventListener('message', (event) => { window.heard = event.data; });</script><iframe src="${address()}"></iframe>`);
});
await new Promise((resolve) => host.listen(Number(process.env.HOST_PORT), '127.0.0.1', resolve));

await run('frame', { viewport: { width: 1024, height: 768 }, args: ['--test-third-party-cookie-phaseout'] }, async (page, viewer, context) => {
  await page.goto(`http://localhost:${process.env.HOST_PORT}/`);
  const frame = page.frameLocator('iframe');
  await frame.locator('[data-pane="1"][data-state="shown"][data-count="12"]').waitFor();
  await frame.locator('[data-tool="fit"]').click();
  await viewer.picture('framed');
  await frame.locator('.ways button', { hasText: '关闭' }).click();
  await page.waitForFunction(() => window.heard?.type === 'yingku.close');
  assert.deepEqual(await context.cookies(), [], 'nothing is kept in cookies');
});
host.close();
