import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const absent = fileURLToPath(new URL('./src/engine/absent.ts', import.meta.url));
const dictionary = fileURLToPath(new URL('./src/engine/dictionary.ts', import.meta.url));

// Browsers from Chromium 80 on. Every file gets a name with its hash and lies in one folder: the server embeds it so.
export default defineConfig({
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  resolve: {
    alias: [
      // vtk.js names it for XML files that a viewer never reads; without the stub the page stays blank.
      { find: 'xmlbuilder2', replacement: absent },
      { find: 'dcmjs', replacement: dictionary },
      // A second way of drawing beside WebGL, which Cornerstone never asks vtk.js for.
      { find: /^\.\.\/WebGPU\/(Profiles\/(Volume|Geometry)|RenderWindow)\.js$/, replacement: absent },
    ],
  },
  worker: { format: 'es' },
  build: {
    target: 'chrome80',
    assetsDir: '',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    emptyOutDir: false,
    manifest: true,
    chunkSizeWarningLimit: 8000,
    rollupOptions: { input: fileURLToPath(new URL('./src/main.tsx', import.meta.url)) },
  },
});
