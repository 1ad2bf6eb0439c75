// OHIF as a hospital would put it up: its files compressed and kept by the browser, an archive's DICOMweb under the same origin,
// and a key said to it that no browser holds.
import { readFileSync, statSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';

const TYPES = {
  '.css': 'text/css', '.html': 'text/html; charset=utf-8', '.ico': 'image/x-icon', '.js': 'text/javascript', '.json': 'application/json',
  '.png': 'image/png', '.svg': 'image/svg+xml', '.wasm': 'application/wasm', '.woff2': 'font/woff2',
};
const PACKED = new Set(['.css', '.html', '.js', '.json', '.svg', '.wasm']);

const settings = (name) => `window.config = {
  routerBasename: '/', extensions: [], modes: [], customizationService: {}, showStudyList: true, maxNumberOfWebWorkers: 3,
  showWarningMessageForCrossOrigin: false, showCPUFallbackMessage: false, showLoadingIndicator: true, strictZSpacingForVolumeViewport: true,
  investigationalUseDialog: { option: 'never' },
  maxNumRequests: { interaction: 100, thumbnail: 5, prefetch: 25 },
  defaultDataSourceName: 'archive',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb', sourceName: 'archive',
    configuration: {
      friendlyName: '${name}', name: 'archive', wadoUriRoot: '/wado', qidoRoot: '/dicom-web', wadoRoot: '/dicom-web',
      qidoSupportsIncludeField: false, imageRendering: 'wadors', thumbnailRendering: 'wadors', enableStudyLazyLoad: true,
      supportsFuzzyMatching: false, supportsWildcard: true, omitQuotationForMultipartRequest: true,
    },
  }],
};`;

/** Its port, over `archive`: name, root, and what headers are said to it. */
export function serveOhif(dist, { name: archive, root, headers = {} }) {
  const kept = new Map();
  const file = (path) => {
    const name = normalize(path === '/' ? '/index.html' : path);
    let found = kept.get(name);
    if (!found) {
      const isThere = statSync(join(dist, name), { throwIfNoEntry: false })?.isFile();
      // Its pages are one file.
      if (!isThere && name !== '/app-config.js') return extname(name) ? undefined : file('/index.html');
      const plain = name === '/app-config.js' ? Buffer.from(settings(archive)) : readFileSync(join(dist, name));
      const isPacked = PACKED.has(extname(name));
      const bytes = isPacked ? brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 10, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length } }) : plain;
      // Names with a hash of what is in them never change.
      const cache = /[.-][0-9a-f]{16,}\./.test(name) ? 'public, max-age=31536000, immutable' : 'no-cache';
      found = { bytes, headers: { 'Content-Type': TYPES[extname(name)] ?? 'application/octet-stream', 'Cache-Control': cache, ETag: `"${bytes.length}"`, ...(isPacked && { 'Content-Encoding': 'br' }) } };
      kept.set(name, found);
    }
    return found;
  };
  const server = createServer((asked, answer) => {
    const { pathname } = new URL(asked.url, 'http://here');
    if (pathname.startsWith('/dicom-web') || pathname.startsWith('/wado')) {
      const forwarded = request(`${root}${asked.url}`, { method: asked.method, headers: { ...asked.headers, ...headers } }, (given) => {
        answer.writeHead(given.statusCode, given.headers);
        given.pipe(answer);
      });
      forwarded.on('error', () => answer.destroy());
      asked.pipe(forwarded);
      return;
    }
    const found = file(pathname);
    if (!found) answer.writeHead(404).end();
    else if (asked.headers['if-none-match'] === found.headers.ETag) answer.writeHead(304, found.headers).end();
    else answer.writeHead(200, found.headers).end(found.bytes);
  });
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve({ port: server.address().port, close: () => server.close() })));
}
