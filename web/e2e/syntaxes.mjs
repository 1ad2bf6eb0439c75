// The same picture in every transfer syntax gives the same numbers, whoever decodes it.
import { address, assert, required, run } from './harness.mjs';

await run('syntaxes', {}, async (page, viewer) => {
  await page.goto(address());
  await viewer.shows({});
  let first;
  for (const name of required('SYNTAXES').split(',')) {
    await viewer.open(name, { series: required(`SERIES_${name}`) });
    await viewer.tool('rectangle');
    await viewer.drag(await viewer.at(8, 8, 128, 128), await viewer.at(119, 119, 128, 128));
    const found = {
      mean: await viewer.measured('均值 (-?[\\d.]+)'),
      deviation: await viewer.measured('标准差 (-?[\\d.]+)'),
      least: await viewer.measured('范围 (-?[\\d.]+) …'),
      most: await viewer.measured('范围 -?[\\d.]+ … (-?[\\d.]+)'),
    };
    first ??= found;
    assert.deepEqual(found, first, `${name} gives what uncompressed pixels give`);
    assert.equal(found.most, Number(required('MOST')), `${name}: the largest number`);
    await viewer.tool('erase');
  }
});
