// Pixels, geometry and what is said about units, without a browser. `make web-check` compiles src/ to plain modules first.
import assert from 'node:assert/strict';

const built = new URL(process.argv[2] ?? './out/', import.meta.url);
const { frameOf, pixelsOf, storedValues, unpackRle } = await import(new URL('dicom/pixels.js', built));
const { sliceOf, lettersOf } = await import(new URL('dicom/slice.js', built));
const { paddingOf } = await import(new URL('dicom/automatic.js', built));
const { isSeen, shutterOf } = await import(new URL('dicom/shutter.js', built));
const { crossing, nearest, isVolume } = await import(new URL('engine/geometry.js', built));

const header = (changes) => ({
  rows: 1, columns: 4, samples: 1, photometric: 'MONOCHROME2', bitsAllocated: 16, bitsStored: 12, highBit: 11, isSigned: false, isPlanar: false,
  slope: 1, intercept: 0, takesFractions: true, ...changes,
});
const words = (...values) => new Uint8Array(Uint16Array.from(values).buffer);
const gray = (bytes, changes) => pixelsOf(storedValues(bytes, header(changes)), header(changes));

// Overlays in the high bits are no part of the value; the sign is that of the stored bits.
assert.deepEqual([...gray(words(0xf001, 2, 3, 0x0fff), {}).values], [1, 2, 3, 4095]);
// They are kept where they are wanted, packed as planes beside the pixels are.
const marked = frameOf(words(0xf001, 2, 0x1003, 0x0fff), header({ overlayBits: [12, 15] }));
assert.deepEqual([...marked.values], [1, 2, 3, 4095]);
assert.deepEqual(marked.overlays.map((plane) => [...plane]), [[0b0101], [0b0001]]);
assert.equal(frameOf(words(1, 2, 3, 4), header({ overlayBits: [] })).overlays, undefined);
const signed = gray(words(0x0fff, 0x0800, 0x07ff, 0), { isSigned: true });
assert.deepEqual([...signed.values], [-1, -2048, 2047, 0]);
assert.deepEqual([signed.min, signed.max], [-2048, 2047]);
// Values that lie left of bit 0.
assert.deepEqual([...gray(words(0x0010, 0xfff0, 0, 0x0020), { highBit: 15 }).values], [1, 4095, 0, 2]);
// Hounsfield units, whole and broken.
const hounsfield = gray(words(0, 24, 1024, 2048), { intercept: -1024 });
assert.ok(hounsfield.values instanceof Int16Array);
assert.deepEqual([...hounsfield.values], [-1024, -1000, 0, 1024]);
const broken = gray(words(0, 1, 2, 3), { slope: 0.5 });
assert.ok(broken.values instanceof Float32Array && broken.values[3] === 1.5 && broken.slope === 1);
const kept = gray(words(0, 1, 2, 3), { slope: 0.5, takesFractions: false });
assert.deepEqual([[...kept.values], kept.slope], [[0, 1, 2, 3], 0.5]);
// Eight bits at an odd address, one bit for a pixel, thirty-two bits.
assert.deepEqual([...gray(new Uint8Array([9, 1, 2, 3, 4]).subarray(1), { bitsAllocated: 8, bitsStored: 8, highBit: 7 }).values], [1, 2, 3, 4]);
assert.deepEqual([...gray(new Uint8Array([0, ...words(5, 6, 7, 8)]).subarray(1), { bitsStored: 16, highBit: 15 }).values], [5, 6, 7, 8]);
assert.deepEqual([...gray(new Uint8Array([0b1010]), { bitsAllocated: 1, bitsStored: 1, highBit: 0 }).values], [0, 1, 0, 1]);
const wide = gray(new Uint8Array(Uint32Array.from([0, 1e9, 2e9, 4e9]).buffer), { bitsAllocated: 32, bitsStored: 32, highBit: 31, takesFractions: false });
assert.ok(Math.abs(wide.values[2] * wide.slope + wide.intercept - 2e9) < 1e5);
assert.throws(() => gray(words(1, 2), {}), /too short/);

// A window over all values where the object brings none; padding is none of them, by its stored number.
const windowOver = (values, changes) => gray(Uint8Array.from(values), { bitsAllocated: 8, bitsStored: 8, highBit: 7, needsWindow: true, ...changes }).window;
assert.deepEqual(windowOver([0, 10, 20, 30], {}), { center: 15, width: 30 });
assert.deepEqual(windowOver([0, 10, 20, 30], { padding: [0, 0] }), { center: 20, width: 20 });
assert.deepEqual(windowOver([0, 10, 20, 200], { padding: [200, 255], slope: 2, intercept: -10 }), { center: 10, width: 40 });
assert.deepEqual(windowOver([7, 7, 7, 7], { padding: [7, 7] }), { center: 0, width: 1 });
assert.equal(gray(words(1, 2, 3, 4), {}).window, undefined);
const tagged = (values) => Object.fromEntries(Object.entries(values).map(([tag, Value]) => [tag, { vr: 'US', Value }]));
assert.deepEqual(paddingOf(tagged({ '00280120': [65535], '00280121': [60000] }), false), [60000, 65535]);
assert.deepEqual(paddingOf(tagged({ '00280120': [63536] }), true), [-2000, -2000]);
assert.equal(paddingOf({}, true), undefined);

// Shutters: what each shape shows, and all of them; one that does not say where it is covers nothing.
const seen = (values) => {
  const shutter = shutterOf(tagged(values));
  return [1, 2, 3, 4, 5].map((row) => [1, 2, 3, 4, 5].map((column) => (isSeen(shutter, row, column) ? '#' : '.')).join(''));
};
const [box, disc] = [{ '00181602': [3], '00181604': [5], '00181606': [2], '00181608': [4] }, { '00181610': [3, 3], '00181612': [2] }];
assert.deepEqual(seen({ '00181600': ['RECTANGULAR'], ...box }), ['.....', '..###', '..###', '..###', '.....']);
assert.deepEqual(seen({ '00181600': ['CIRCULAR'], ...disc }), ['..#..', '.###.', '#####', '.###.', '..#..']);
assert.deepEqual(seen({ '00181600': ['POLYGONAL'], '00181620': [1, 1, 5, 1, 5, 5] }), ['#....', '##...', '###..', '####.', '#####']);
assert.deepEqual(seen({ '00181600': ['RECTANGULAR', 'CIRCULAR'], ...box, ...disc }), ['.....', '..##.', '..###', '..##.', '.....']);
assert.deepEqual([shutterOf(tagged({ '00181600': ['CIRCULAR'], '00181610': [3, 3] })), shutterOf({})], [undefined, undefined]);
assert.equal(shutterOf(tagged({ '00181600': ['CIRCULAR'], ...disc, '00181622': [0x4000] })).level, 64);

// Colours: by pixel, by plane, luminance and chrominance, halved chrominance, a palette.
const color = (bytes, changes) => [...gray(Uint8Array.from(bytes), { bitsAllocated: 8, bitsStored: 8, highBit: 7, samples: 3, columns: 2, ...changes }).rgba];
const two = [1, 2, 3, 255, 4, 5, 6, 255];
assert.deepEqual(color([1, 2, 3, 4, 5, 6], { photometric: 'RGB' }), two);
assert.deepEqual(color([1, 4, 2, 5, 3, 6], { photometric: 'RGB', isPlanar: true }), two);
assert.deepEqual(color([76, 85, 255, 128, 128, 128], { photometric: 'YBR_FULL' }), [254, 0, 0, 255, 128, 128, 128, 255]);
assert.deepEqual(color([10, 200, 128, 128], { photometric: 'YBR_FULL_422' }), [10, 10, 10, 255, 200, 200, 200, 255]);
const palette = [0, 50, 100].map((start) => ({ first: 1, values: [start, start + 1] }));
assert.deepEqual(color([0, 2], { photometric: 'PALETTE COLOR', samples: 1, palette }), [0, 50, 100, 255, 1, 51, 101, 255]);

// RLE: a literal run and a repeated one, the high byte first.
const rle = new Uint8Array(64 + 8);
new DataView(rle.buffer).setUint32(0, 2, true);
new DataView(rle.buffer).setUint32(4, 64, true);
new DataView(rle.buffer).setUint32(8, 66, true);
rle.set([0x100 - 3, 1, 3, 5, 6, 7, 8], 64);
assert.deepEqual([...gray(unpackRle(rle, header({})), {}).values], [261, 262, 263, 264]);

// What a length means.
const set = (attributes) => Object.fromEntries(Object.entries(attributes).map(([tag, Value]) => [tag, { vr: 'UN', Value }]));
const scale = (attributes) => sliceOf('', set(attributes), 1).plane.scale;
assert.equal(scale({ '00280030': ['0.5', '0.5'] }), 'patient');
assert.equal(scale({ '00181164': [0.2, 0.2] }), 'detector');
assert.equal(scale({ '00181164': [0.2, 0.2], '00280030': [0.2, 0.2] }), 'detector');
assert.equal(scale({ '00181164': [0.2, 0.2], '00280030': [0.15, 0.15] }), 'patient');
assert.equal(scale({ '00181164': [0.2, 0.2], '00280030': [0.2, 0.2], '00280A02': ['GEOMETRY'] }), 'patient');
assert.equal(scale({ '00280034': [1, 2] }), 'none');
// A projection whose only spacing nobody has calibrated; a slice in space is none, whatever took it.
const alone = { '00280030': ['0.2', '0.2'] };
for (const modality of ['CR', 'DX', 'MG', 'RF', 'XA', 'IO', 'PX']) {
  const of = { ...alone, '00080060': [modality] };
  assert.equal(scale(of), 'projection', modality);
  assert.equal(scale({ ...of, '00280A02': ['FIDUCIAL'] }), 'patient', modality);
  assert.equal(scale({ ...of, '00181164': [0.25, 0.25] }), 'patient', modality);
  assert.equal(scale({ ...of, '00181164': [0.2, 0.2] }), 'detector', modality);
  assert.equal(scale({ ...of, '00200032': [0, 0, 0], '00200037': [1, 0, 0, 0, 1, 0] }), 'patient', modality);
}
for (const modality of ['CT', 'MR', 'US', 'SC']) assert.equal(scale({ ...alone, '00080060': [modality] }), 'patient', modality);
// Pixels that are not square: a spacing goes before the ratio, the image's before the detector's and that of a scanned film.
const edges = (attributes) => sliceOf('', set(attributes), 1).plane.spacing;
assert.deepEqual(edges({ '00280034': [1, 2] }), [0.5, 1]);
assert.deepEqual(edges({ '00280034': [2, 1], '00280030': [1, 0.5] }), [1, 0.5]);
assert.deepEqual(edges({ '00280034': [2, 1], '00181164': [0.2, 0.2], '00280030': [0, 0] }), [0.2, 0.2]);
assert.deepEqual(edges({ '00280034': [2, 1], '00182010': [0.3, 0.3] }), [1, 1]);
assert.equal(scale({ '00182010': [0.3, 0.3] }), 'none');
const unit = (attributes) => sliceOf('', set({ '00280010': [1], ...attributes }), 1).values.unit;
assert.equal(unit({ '00080060': ['CT'], '00281052': [-1024], '00281053': [1] }), 'HU');
assert.equal(unit({ '00080060': ['CT'], '00080008': ['DERIVED'], '00281052': [0], '00281053': [1] }), '');
assert.equal(unit({ '00080060': ['MR'], '00281052': [0], '00281053': [2] }), '');
assert.equal(unit({ '00080060': ['MR'], '00281052': [0], '00281053': [2], '00281054': ['US'] }), '');
assert.equal(unit({ '00080060': ['CT'] }), '');

// Frames of an enhanced object have positions and windows of their own.
const enhanced = {
  ...set({ '00280010': [2], '00280011': [2], '00200052': ['1.2'] }),
  '52009229': { vr: 'SQ', Value: [{ '00209116': { vr: 'SQ', Value: [set({ '00200037': [1, 0, 0, 0, 1, 0] })] }, '00289110': { vr: 'SQ', Value: [set({ '00280030': [2, 3] })] } }] },
  '52009230': { vr: 'SQ', Value: [0, 5].map((z) => ({ '00209113': { vr: 'SQ', Value: [set({ '00200032': [0, 0, z] })] } })) },
};
const second = sliceOf('', enhanced, 2).plane;
assert.deepEqual([second.position, second.spacing, second.scale], [[0, 0, 5], [2, 3], 'patient']);

// Letters, crossing planes, nearest slices.
assert.deepEqual([lettersOf([1, 0, 0]), lettersOf([0, -0.9, 0.4]), lettersOf([0, 0.1, -1])], ['L', 'AH', 'F']);
const plane = (position, orientation) =>
  sliceOf('', set({ '00280010': [101], '00280011': [101], '00280030': [1, 1], '00200032': position, '00200037': orientation, '00200052': ['1.2'] }), 1);
const axial = [0, 2, 4, 6, 8].map((z) => plane([0, 0, z], [1, 0, 0, 0, 1, 0]));
const sagittal = plane([30, 0, 50], [0, 1, 0, 0, 0, -1]);
const [from, to] = crossing(sagittal, axial[2]);
assert.deepEqual([from[0], to[0], from[2], to[2]].map(Math.round), [30, 30, 4, 4]);
assert.equal(crossing(axial[0], axial[1]), undefined);
assert.equal(nearest(axial, plane([9, 9, 5.2], [1, 0, 0, 0, 1, 0])), 3);
assert.equal(nearest(axial, sagittal), undefined);
assert.equal(isVolume(axial), true);
assert.equal(isVolume([...axial, plane([0, 0, 20], [1, 0, 0, 0, 1, 0])]), false);
console.log('pixels, units and geometry are right');

// Which planes lie in the pixels: those with a size and without data, whose bit is beside the value.
const { ownPlanes, planesInPixels } = await import(new URL('dicom/overlay.js', built));
const us = (...Value) => ({ vr: 'US', Value });
const planes = {
  '00280002': us(1), '00280011': us(512), '00280100': us(16),
  60000010: us(512), 60000011: us(512), 60000102: us(12),
  60020010: us(512), 60020011: us(512), 60020102: us(0), 60023000: { vr: 'OW', InlineBinary: 'AAAA' },
  60040010: us(512), 60040011: us(256), 60040102: us(13),
  60060010: us(512), 60060011: us(512), 60060102: us(16),
};
assert.deepEqual(planesInPixels(planes), [{ group: '6000', bit: 12 }]);
assert.deepEqual(ownPlanes(planes), ['6002']);
assert.deepEqual(planesInPixels({ ...planes, '00280002': us(3) }), []);

// What stands in the place of structuredClone copies deeply, keeps kinds and ends circles.
const real = globalThis.structuredClone;
delete globalThis.structuredClone;
await import(new URL('polyfill.js', built));
assert.notEqual(globalThis.structuredClone, real);
const whole = { list: [1, { a: new Float32Array([1, 2]) }], map: new Map([['k', new Set([1])]]), at: new Date(5), none: undefined };
whole.self = whole;
const copy = structuredClone(whole);
assert.deepEqual(copy, whole);
assert.ok(copy !== whole && copy.self === copy && copy.list[1].a !== whole.list[1].a && copy.list[1].a instanceof Float32Array);
globalThis.structuredClone = real;
