// The packages that are shipped with the viewer and their licences: none that asks more of users than to be named.
import { readdirSync, readFileSync } from 'node:fs';

const ALLOWED = new Set(['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'Apache-2.0', 'Zlib', 'MPL-2.0', 'Unlicense', 'CC0-1.0', 'BSL-1.0']);

/** The packages that modules of a bundle come from. */
export function packagesOf(moduleIds) {
  const found = new Set();
  for (const id of moduleIds) {
    const at = id.lastIndexOf('/node_modules/');
    if (at < 0) continue;
    const [scope, name] = id.slice(at + '/node_modules/'.length).split('/');
    found.add(`${id.slice(0, at)}/node_modules/${scope.startsWith('@') ? `${scope}/${name}` : scope}`);
  }
  return [...found].sort();
}

/** Names, licences and their texts, which must go along. Throws when a licence is not allowed. */
export function notice(folders) {
  const one = (folder) => {
    const { name, version, license, licenses } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'));
    const licence = typeof license === 'string' ? license : (license?.type ?? licenses?.[0]?.type ?? '');
    const choices = licence.replace(/[()]/g, '').split(/ OR /i);
    if (!choices.some((choice) => choice.split(/ AND /i).every((part) => ALLOWED.has(part.trim())))) {
      throw new Error(`${name} ${version}: the licence "${licence}" is not allowed`);
    }
    const file = readdirSync(folder).find((entry) => /^(licen[cs]e|copying)/i.test(entry));
    return `${name} ${version}\n${licence}\n\n${file ? readFileSync(`${folder}/${file}`, 'utf8').trim() : ''}\n`;
  };
  return folders.map(one).join(`\n${'-'.repeat(100)}\n\n`);
}
