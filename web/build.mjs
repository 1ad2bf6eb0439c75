// Builds the viewer into dist/, compresses each file and writes down what the server embeds (read by build.rs).
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'vite';
import { notice, packagesOf } from './licenses.mjs';

const folder = fileURLToPath(new URL('.', import.meta.url));
const dist = `${folder}dist/`;
for (const name of readdirSync(dist)) {
  if (name !== 'README.md') rmSync(dist + name, { recursive: true });
}
const modules = new Set();
const listing = { name: 'modules-of-the-bundle', generateBundle: (_, bundle) => Object.values(bundle).forEach((chunk) => chunk.moduleIds?.forEach((id) => modules.add(id.replace(/^\0|[?#].*$/g, '')))) };
await build({ root: folder, logLevel: 'warn', plugins: [listing], worker: { format: 'es', plugins: () => [listing] } });

// What vite.config.ts keeps out: the first image would wait for all of it.
const heavy = [...modules].find((id) => /\/node_modules\/(dcmjs|@kitware\/vtk\.js\/Rendering\/WebGPU)\//.test(id));
if (heavy) throw new Error(`${heavy} has come into the bundle`);

const manifest = JSON.parse(readFileSync(`${dist}.vite/manifest.json`, 'utf8'));
rmSync(`${dist}.vite`, { recursive: true });
const entry = manifest['src/main.tsx'];
const preloads = new Set();
const styles = new Set();
const visit = (chunk) => {
  for (const style of chunk.css ?? []) styles.add(style);
  for (const name of chunk.imports ?? []) {
    if (!preloads.has(manifest[name].file)) {
      preloads.add(manifest[name].file);
      visit(manifest[name]);
    }
  }
};
visit(entry);
// The engine is wanted as soon as the page stands; nothing else that is loaded late is.
const engine = manifest['src/engine/index.ts'];
if (engine) {
  preloads.add(engine.file);
  visit(engine);
}
preloads.delete(entry.file);
const lines = [`entry ${entry.file}`, ...[...preloads].map((name) => `preload ${name}`), ...[...styles].map((name) => `style ${name}`)];
writeFileSync(`${dist}third-party.txt`, notice(packagesOf(modules)));
let total = 0;
for (const name of readdirSync(dist).sort()) {
  if (name === 'README.md' || name.endsWith('.map')) continue;
  if (!/^[\w.-]+$/.test(name)) throw new Error(`${name} is no name for an address`);
  const bytes = readFileSync(dist + name);
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } };
  if (process.env.VIEWER_FAST) { lines.push(`file ${name}`); continue; }
  const brotli = brotliCompressSync(bytes, quality);
  writeFileSync(`${dist}${name}.br`, brotli);
  writeFileSync(`${dist}${name}.gz`, gzipSync(bytes, { level: 9 }));
  lines.push(`file ${name}`);
  total += brotli.length;
}
writeFileSync(`${dist}embedded.txt`, `${lines.join('\n')}\n`);
console.log(`${lines.filter((line) => line.startsWith('file ')).length} files, ${Math.round(total / 1024)} KiB in brotli`);
