// Inside the page of another host that lets nobody keep cookies, in a frame as it is and in one with the sandbox that the
// integrators' manual names: leafed, measured, read, left; on the ward's old screen.
import { createServer } from 'node:http';
import { address, assert, near, run, Viewer } from './harness.mjs';

const KINDS = { plain: 'allow="fullscreen"', sandboxed: 'sandbox="allow-scripts allow-same-origin"' };

const host = createServer((request, response) => {
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  const kind = KINDS[new URL(request.url, 'http://localhost').pathname.slice(1)] ?? '';
  response.end(`<!doctype html><title>HIS</title><link rel="icon" href="data:,"><style>body,iframe{margin:0;border:0;width:100%;height:98vh}</style><script>addEventListener('message', (event) => { window.heard = event.data; });</script><iframe ${kind} src="${address()}"></iframe>`);
});
await new Promise((resolve) => host.listen(Number(process.env.HOST_PORT), '127.0.0.1', resolve));

for (const kind of Object.keys(KINDS)) {
  await run(`frame-${kind}`, { viewport: { width: 1024, height: 768 }, args: ['--test-third-party-cookie-phaseout'] }, async (page, viewer, context) => {
    await page.goto(`http://localhost:${process.env.HOST_PORT}/${kind}`);
    const frame = await (await page.waitForSelector('iframe')).contentFrame();
    // The same hands on the page within.
    const within = {
      locator: (...all) => frame.locator(...all),
      evaluate: (...all) => frame.evaluate(...all),
      waitForFunction: (...all) => frame.waitForFunction(...all),
      mouse: page.mouse,
    };
    const inside = new Viewer(within, viewer.out, viewer.name);
    await inside.pane().waitFor();
    await inside.shows({ index: 0, count: 12, loaded: 12, width: 400, center: 40 });
    assert.equal(await frame.locator('[data-way="full"]').count(), kind === 'plain' ? 1 : 0, 'the whole screen is offered where the host allows it');

    // Leafed by wheel and by key, darkened and brightened.
    await page.mouse.move(...(await inside.at(128, 128)));
    await page.mouse.wheel(0, 120);
    await inside.shows({ index: 1 });
    await inside.pane().focus();
    await page.keyboard.press('End');
    await inside.shows({ index: 11 });
    await page.keyboard.press('3');
    await inside.shows({ width: 1500, center: -600 });

    // 128 columns of half a millimetre.
    await inside.tool('length');
    await inside.drag(await inside.at(64, 40), await inside.at(192, 40));
    near(await inside.measured('([\\d.]+) mm'), 64, 0.6, 'length');
    await viewer.picture('measured');

    await frame.locator('[data-way="report"]').click();
    await frame.locator('.side', { hasText: '右肺上叶小结节' }).waitFor();
    await inside.shows({ index: 11 });
    await inside.tool('fit');
    await viewer.picture('report');

    await frame.locator('.ways button', { hasText: '关闭' }).click();
    await page.waitForFunction(() => window.heard?.type === 'yingku.close');
    assert.deepEqual(await context.cookies(), [], 'nothing is kept in cookies');
  });
}
host.close();
