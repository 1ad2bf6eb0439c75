// What opens beside the images: the report's words, the attributes of an image, the list of keys.

import { useState } from 'preact/hooks';
import type { Attribute, DataSet } from '../dicom/json.ts';
import type { Section } from '../exam.ts';
import { isEnglish, words } from '../words.ts';
import { nameOf } from './names.ts';

export function Report({ sections, onClose }: { sections: Section[]; onClose: () => void }) {
  return (
    <aside class="side" aria-label={words.report}>
      <Head title={words.report} onClose={onClose} />
      {sections.map((section) => (
        <section key={section.heading}>
          <h3>{section.heading}</h3>
          {section.paragraphs.map((paragraph) => (
            <p key={paragraph}>{paragraph}</p>
          ))}
        </section>
      ))}
    </aside>
  );
}

function Head({ title, onClose }: { title: string; onClose: () => void }) {
  return (
    <header>
      <h2>{title}</h2>
      <button type="button" class="plain" aria-label={words.close} onClick={onClose}>
        ×
      </button>
    </header>
  );
}

interface Row {
  tag: string;
  vr: string;
  depth: number;
  value: string;
}

const MOST_ROWS = 4000;

function rowsOf(set: DataSet, depth: number, rows: Row[]): Row[] {
  for (const tag of Object.keys(set).sort()) {
    const attribute = set[tag];
    if (!attribute || rows.length >= MOST_ROWS) continue;
    rows.push({ tag, vr: attribute.vr, depth, value: attribute.vr === 'SQ' ? '' : valueOf(attribute) });
    if (attribute.vr === 'SQ') for (const item of attribute.Value ?? []) rowsOf(item as DataSet, depth + 1, rows);
  }
  return rows;
}

function valueOf(attribute: Attribute): string {
  if (attribute.BulkDataURI || attribute.InlineBinary) return '…';
  const one = (value: unknown): string => {
    if (value === null || value === undefined) return '';
    if (typeof value === 'object') return Object.values(value as Record<string, string>).filter(Boolean).join(' = ');
    return String(value);
  };
  return (attribute.Value ?? []).map(one).join(' \\ ');
}

export function Tags({ data, onClose }: { data: DataSet; onClose: () => void }) {
  const [search, setSearch] = useState('');
  const wanted = search.trim().toLowerCase();
  const rows = rowsOf(data, 0, []).filter(
    ({ tag, value }) => !wanted || tag.toLowerCase().includes(wanted.replace(/[(),\s]/g, '')) || value.toLowerCase().includes(wanted) || nameOf(tag).toLowerCase().includes(wanted),
  );
  return (
    <aside class="side wide" aria-label={words.tags}>
      <Head title={`DICOM ${words.tags}`} onClose={onClose} />
      <input type="search" value={search} placeholder={words.search} aria-label={words.search} onInput={(event) => setSearch(event.currentTarget.value)} />
      <table class="tags">
        <tbody>
          {rows.map((row, at) => (
            <tr key={at}>
              <th style={{ paddingLeft: `${row.depth * 12}px` }}>
                {row.tag.slice(0, 4)},{row.tag.slice(4)}
              </th>
              <td>{row.vr}</td>
              <td>{nameOf(row.tag)}</td>
              <td class="tag-value">{row.value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </aside>
  );
}

export const KEYS: [string, string, string][] = [
  ['↑ ↓ / 滚轮', '上一幅、下一幅', 'previous, next image'],
  ['PageUp PageDown', '前后十幅', 'ten images'],
  ['Home End', '首幅、末幅', 'first, last image'],
  ['← →', '上一序列、下一序列', 'previous, next series'],
  ['1 … 9', '窗位预设', 'window presets'],
  ['0', '默认窗', 'default window'],
  ['W S P Z', '窗宽窗位、翻页、平移、缩放', 'window, scroll, pan, zoom'],
  ['L A E B', '长度、角度、椭圆、矩形', 'length, angle, ellipse, rectangle'],
  ['R H V I', '右转、水平翻转、垂直翻转、反相', 'rotate, flip horizontally, vertically, invert'],
  ['F X Esc', '适合窗口、1:1、复位', 'fit, 1:1, reset'],
  ['+ −', '放大、缩小', 'zoom in, out'],
  ['空格', '播放或停止', 'play or stop'],
  ['K', '下一幅关键图像', 'next key image'],
  ['O', '显示或隐藏信息', 'overlay on or off'],
  ['Delete', '删除选中的测量', 'delete the chosen measurement'],
  ['左键 中键 右键', '当前工具、平移、缩放', 'buttons: tool, pan, zoom'],
  ['单指 双指', '当前工具、缩放与平移', 'one finger: tool; two: zoom and pan'],
];

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <aside class="side" aria-label={words.help}>
      <Head title={words.help} onClose={onClose} />
      <table class="tags">
        <tbody>
          {KEYS.map(([keys, chinese, english]) => (
            <tr key={keys}>
              <th>{keys}</th>
              <td>{isEnglish ? english : chinese}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </aside>
  );
}
