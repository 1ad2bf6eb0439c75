// Tables, windows and presentation states, without a browser. `make web-check` compiles src/ to plain modules first.
import assert from 'node:assert/strict';

const built = new URL(process.argv[2] ?? './out/', import.meta.url);
const { brightness, lookUp, lookOfTable, tableOf } = await import(new URL('dicom/lookup.js', built));
const { pixelsOf } = await import(new URL('dicom/pixels.js', built));
const { covers, presentationOf } = await import(new URL('dicom/presentation.js', built));

const set = (attributes) => Object.fromEntries(Object.entries(attributes).map(([tag, Value]) => [tag, { vr: 'US', Value }]));
const sequence = (...items) => ({ vr: 'SQ', Value: items });

// Windows, as PS3.3 C.11.2.1 means them.
const look = (center, width, way) => ({ center, width, function: way, name: '' });
assert.deepEqual([0, 99].map((value) => brightness(look(50, 100, 'LINEAR'), value)), [0, 1]);
assert.deepEqual([0, 50, 100].map((value) => brightness(look(50, 100, 'LINEAR_EXACT'), value)), [0, 0.5, 1]);
assert.deepEqual([9, 9.5, 10].map((value) => brightness(look(10, 1, 'LINEAR'), value)), [0, 0, 1]);
assert.equal(brightness(look(100, 50, 'SIGMOID'), 100), 0.5);
assert.ok(Math.abs(brightness(look(100, 50, 'SIGMOID'), 125) - 0.880797) < 1e-6);

// Tables: by values, by bytes, eight bits packed, with a first value below zero; what contradicts itself is none.
const item = (descriptor, data, vr = 'US') => ({ '00283002': { vr, Value: descriptor }, '00283006': data });
const read = (one, isSigned = false) => tableOf({ '00283010': sequence(one) }, '00283010', isSigned);
const plain = await read(item([3, 10, 8], { vr: 'US', Value: [0, 100, 255] }));
assert.deepEqual([...plain.entries, plain.first, plain.top], [0, 100, 255, 10, 255]);
assert.deepEqual([0, 10, 11.9, 12, 99].map((value) => lookUp(plain, value)), [0, 0, 100, 255, 255]);
assert.deepEqual([brightness(lookOfTable(plain, 'x'), 11), lookOfTable(plain, 'x').width], [100 / 255, 3]);
const base64 = (...words) => btoa(String.fromCharCode(...new Uint8Array(Uint16Array.from(words).buffer)));
const inline = await read(item([2, 0, 16], { vr: 'OW', InlineBinary: base64(7, 65535) }));
assert.deepEqual([...inline.entries, inline.top], [7, 65535, 65535]);
const packed = await read(item([4, 0, 8], { vr: 'OW', InlineBinary: base64(0x0201, 0x0403) }));
assert.deepEqual([...packed.entries], [1, 2, 3, 4]);
assert.equal((await read(item([2, -5, 8], { vr: 'US', Value: [1, 2] }, 'SS'))).first, -5);
assert.equal((await read(item([2, 65531, 8], { vr: 'US', Value: [1, 2] }, 'SS'))).first, -5);
assert.equal((await read(item([2, 65531, 8], { vr: 'US', Value: [1, 2] }))).first, 65531);
assert.equal(await read(item([2, 0], { vr: 'US', Value: [1, 2] })), undefined);
assert.equal(await read(item([2, 0, 8], { vr: 'US' })), undefined);
assert.equal(await tableOf({}, '00283010', false), undefined);

// A modality table stands in the place of slope and intercept.
const header = { rows: 1, columns: 3, samples: 1, photometric: 'MONOCHROME2', bitsAllocated: 16, bitsStored: 16, highBit: 15, isSigned: false, isPlanar: false, slope: 2, intercept: 9, takesFractions: true, modality: plain };
const gray = pixelsOf(Uint16Array.from([10, 11, 12]), header);
assert.deepEqual([[...gray.values], gray.min, gray.max, gray.slope, gray.intercept], [[0, 100, 255], 0, 255, 1, 0]);

// A presentation state, and one that makes no sense.
const reference = (uid, frames) => ({ '00081155': { vr: 'UI', Value: [uid] }, ...(frames ? { '00081160': { vr: 'IS', Value: frames } } : {}) });
const state = await presentationOf({
  ...set({ '00080018': ['1.9'], '00700080': ['LABEL'], '00700081': ['测试'], '00700042': [90], '00700041': ['Y'], '20500020': ['INVERSE'] }),
  '00081115': sequence({ '00081140': sequence(reference('1.1'), reference('1.2', [2, 3])) }),
  '00283110': sequence(set({ '00281050': ['40'], '00281051': ['400'] }), set({ '00281050': ['40'], '00281051': ['0'] })),
  '0070005A': sequence(set({ '00700052': [65, 65], '00700053': [192, 192], '00700100': ['MAGNIFY'], '00700103': [2] })),
  '00700001': sequence({
    '00081140': sequence(reference('1.1')),
    '00700008': sequence(set({ '00700006': ['a\r\nb'], '00700014': [1, 2] }), set({ '00700006': ['nowhere'] })),
    '00700009': sequence(set({ '00700023': ['POLYLINE'], '00700022': [1, 2, 3, 4, 5] }), set({ '00700023': ['ELLIPSE'], '00700022': [1, 2] }), set({ '00700023': ['OTHER'], '00700022': [1, 2] })),
  }),
});
assert.deepEqual([state.name, state.rotation, state.isFlipped, state.isInverse], ['测试', 90, true, true]);
assert.deepEqual([state.looks.length, state.looks[0].look.width, state.looks[0].scope], [1, 400, undefined]);
assert.deepEqual([state.graphics.length, state.graphics[0].points, state.words.length, state.words[0].lines], [1, [[1, 2], [3, 4]], 1, ['a', 'b']]);
assert.deepEqual([state.areas[0].mode, state.areas[0].magnification], ['MAGNIFY', 2]);
assert.deepEqual([covers(state.images, '1.1', 7), covers(state.images, '1.2', 2), covers(state.images, '1.2', 4), covers(state.images, '1.3', 1)], [true, true, false, false]);
const empty = await presentationOf({});
assert.deepEqual([empty.images, empty.name, empty.isInverse, empty.rotation], [[], '', undefined, 0]);
console.log('tables, windows and presentation states are right');
