// Lengths in regions of an ultrasound picture: what Cornerstone makes of what we tell it, and what we say of that.
// `make web-check` compiles src/ to plain modules first.
import assert from 'node:assert/strict';

globalThis.window = globalThis;
globalThis.document = { documentElement: { lang: 'zh-CN' } };
const built = new URL(process.argv[2] ?? './out/', import.meta.url);
const { regionsOf } = await import(new URL('dicom/regions.js', built));
const { sliceOf } = await import(new URL('dicom/slice.js', built));
const { lengthUnit } = await import(new URL('engine/units.js', built));
const { getCalibratedLengthUnitsAndScale } = await import(new URL('../node_modules/@cornerstonejs/tools/dist/esm/utilities/getCalibratedUnits.js', import.meta.url));

const set = (attributes) => Object.fromEntries(Object.entries(attributes).map(([tag, value]) => [tag, { vr: 'UN', Value: [value] }]));
const region = (type, [left, top, right, bottom], [across, down], [width, height]) =>
  set({ '00186014': type, '00186018': left, '0018601A': top, '0018601C': right, '0018601E': bottom, '00186024': across, '00186026': down, '0018602C': width, '0018602E': height });
const [SECONDS, CENTIMETRES, CENTIMETRES_A_SECOND] = [4, 3, 7];
const picture = {
  '00186011': {
    vr: 'SQ',
    Value: [
      region(1, [0, 0, 299, 199], [CENTIMETRES, CENTIMETRES], [0.05, 0.05]),
      // Speeds fall on the way down.
      region(3, [0, 200, 299, 399], [SECONDS, CENTIMETRES_A_SECOND], [0.01, -2]),
      region(2, [300, 0, 399, 199], [CENTIMETRES, CENTIMETRES], [0.1, 0.02]),
      region(1, [300, 200, 399, 299], [0, 0], [0.3, 0.3]),
      region(1, [300, 300, 399, 399], [CENTIMETRES, CENTIMETRES], [0, 0]),
    ],
  },
};
assert.equal(sliceOf('', picture, 1).plane.scale, 'regions');
assert.equal(sliceOf('', { ...picture, '00280030': { vr: 'DS', Value: [0.5, 0.5] } }, 1).plane.scale, 'patient', 'its own spacing goes before');

const image = { calibration: { sequenceOfUltrasoundRegions: regionsOf(picture) }, hasPixelSpacing: false, spacing: [1, 1, 1] };
const measured = (from, to) => {
  const { unit, areaUnit, scale, scaleY } = getCalibratedLengthUnitsAndScale(image, [from, to]);
  const length = Math.hypot((to[0] - from[0]) / scale, (to[1] - from[1]) / scaleY);
  const [own, area] = [unit, areaUnit.replace(/²/g, '')].map((word) => lengthUnit('regions', word));
  assert.deepEqual(own, area, 'an area has the square of the same unit');
  return `${length.toFixed(2)} ${own.unit}${own.mark}`;
};
// Half a millimetre for a pixel, whichever way.
assert.equal(measured([10, 10], [110, 10]), '5.00 cm');
assert.equal(measured([10, 10], [40, 50]), '2.50 cm');
assert.equal(measured([310, 10], [320, 10]), '1.00 cm', 'pixels that are not square');
assert.equal(measured([310, 10], [310, 60]), '1.00 cm');
for (const [what, from, to, wanted] of [
  ['a curve of speeds', [10, 210], [110, 210], '100.00 px'],
  ['across two regions', [10, 150], [10, 250], '100.00 px'],
  ['from one picture into the other', [250, 10], [350, 10], '100.00 px'],
  ['beside all regions', [410, 410], [420, 410], '10.00 px'],
  ['a region without a unit', [310, 210], [320, 210], '10.00 px'],
  ['a region without a size', [310, 310], [320, 310], '10.00 px'],
]) assert.equal(measured(from, to), wanted, what);

// And what is said of other lengths.
assert.deepEqual(lengthUnit('patient', 'mm'), { unit: 'mm', mark: '' });
assert.deepEqual(lengthUnit('detector', 'mm'), { unit: 'mm', mark: ' (探测器平面)' });
assert.deepEqual(lengthUnit('projection', 'mm'), { unit: 'mm', mark: ' (未校准)' });
assert.deepEqual(lengthUnit('none', 'px'), { unit: 'px', mark: '' });
console.log('lengths in regions are right');
