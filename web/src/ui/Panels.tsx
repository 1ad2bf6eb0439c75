// What opens beside the images: the report's words, the attributes of an image, the list of keys.

import { useMemo, useState } from 'preact/hooks';
import type { Attribute, DataSet } from '../dicom/json.ts';
import type { Mouse, ToolName } from '../engine/mouse.ts';
import { type Description, hasReport } from '../exam.ts';
import { isEnglish, words } from '../words.ts';
import { Labels } from './Labels.tsx';
import { nameOf } from './names.ts';

interface ReportProps {
  /** The exam that is looked at, which may be an earlier one. */
  description: Description;
  /** Whether pictures of pages are fetched: images go before them. */
  takesPictures: boolean;
  onClose: () => void;
}

/** Pixels across a page of the report: twice what the panel has, for dense screens. */
const PAGE_WIDTH = 960;

export function Report({ description, takesPictures, onClose }: ReportProps) {
  const { exam, report, reportPages } = description;
  return (
    <aside class={`side${reportPages.length > 0 ? ' wide' : ''}`} aria-label={words.report} data-report={exam.uid}>
      <Head title={words.report} onClose={onClose} />
      <p class="soft">
        <Labels exam={exam} />
        {exam.date} · {exam.title}
      </p>
      {!hasReport(description) && <p>{words.noReport}</p>}
      {report.map((section) => (
        <section key={section.heading}>
          <h3>{section.heading}</h3>
          {section.paragraphs.map((paragraph) => (
            <p key={paragraph}>{paragraph}</p>
          ))}
        </section>
      ))}
      {takesPictures &&
        reportPages.map((page, at) => (
          <a key={page} href={page} target="_blank" rel="noopener">
            <img class="page" src={`${page}?e=${PAGE_WIDTH}`} width="700" height="990" loading="lazy" alt={`${words.report} ${at + 1}`} />
          </a>
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
  const all = useMemo(() => rowsOf(data, 0, []), [data]);
  const rows = all.filter(
    ({ tag, value }) => !wanted || tag.toLowerCase().includes(wanted.replace(/[(),\s]/g, '')) || value.toLowerCase().includes(wanted) || nameOf(tag).toLowerCase().includes(wanted),
  );
  return (
    <aside class="side wide" aria-label={words.tags}>
      <Head title={words.tagList} onClose={onClose} />
      <input type="search" value={search} placeholder={words.search} aria-label={words.search} onInput={(event) => setSearch(event.currentTarget.value)} />
      <p class="soft" role="status">{rows.length} / {all.length}</p>
      <table class="tags" aria-label={words.tagList}>
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

/** Keys, what they do; both in Chinese, then in English. */
const KEYS: [string, string, string, string][] = [
  ['↑ ↓ / 滚轮', '上一幅、下一幅', '↑ ↓ / wheel', 'previous, next image'],
  ['PageUp PageDown', '前后十幅', 'PageUp PageDown', 'ten images'],
  ['Home End', '首幅、末幅', 'Home End', 'first, last image'],
  ['← →', '上一序列、下一序列', '← →', 'previous, next series'],
  ['1 … 9', '窗位预设', '1 … 9', 'window presets'],
  ['0', '默认窗', '0', 'default window'],
  ['W S P Z', '窗宽窗位、翻页、平移、缩放', 'W S P Z', 'window, scroll, pan, zoom'],
  ['L A E B', '长度、角度、椭圆、矩形', 'L A E B', 'length, angle, ellipse, rectangle'],
  ['Enter', '以当前测量工具设点：方向键移动十字，Shift 微移，Esc 取消', 'Enter', 'set points of the chosen measurement: arrows move the cross, Shift finely, Esc leaves'],
  ['M', '放大镜', 'M', 'magnifier'],
  ['Shift + ↑ ↓ ← →', '以当前工具调窗、平移、缩放、翻页', 'Shift + ↑ ↓ ← →', 'window, pan, zoom or scroll with the chosen tool'],
  ['R H V I', '右转、水平翻转、垂直翻转、反相', 'R H V I', 'rotate, flip horizontally, vertically, invert'],
  ['F X Esc', '适合窗口、1:1、复位', 'F X Esc', 'fit, 1:1, reset'],
  ['+ −', '放大、缩小', '+ −', 'zoom in, out'],
  ['空格', '播放或停止', 'Space', 'play or stop'],
  ['K', '下一幅关键图像', 'K', 'next key image'],
  ['O', '显示或隐藏信息', 'O', 'overlay on or off'],
  ['Delete', '删除选中的测量', 'Delete', 'delete the chosen measurement'],
  ['单指 双指', '当前工具、缩放与平移', 'One, two fingers', 'one finger: tool; two: zoom and pan'],
];

const PLANE_KEYS: [string, string, string, string][] = [
  ['↑ ↓ / 滚轮', '当前平面的上一层、下一层', '↑ ↓ / wheel', 'previous, next slice of the plane'],
  ['PageUp PageDown', '前后十层', 'PageUp PageDown', 'ten slices'],
  ['Home End', '首层、末层', 'Home End', 'first, last slice'],
  ['← →', '换平面', '← →', 'another plane'],
  ['1 … 9、0', '窗位预设、默认窗（三个平面一起）', '1 … 9, 0', 'window presets, default (all planes)'],
  ['Shift + ↑ ↓ ← →', '调窗（三个平面一起）', 'Shift + ↑ ↓ ← →', 'window of all planes'],
  ['C W S', '十字线、调窗、翻页', 'C W S', 'crosshairs, window, scroll'],
  ['P Z L', '平移、缩放、长度', 'P Z L', 'pan, zoom, length'],
  ['+ − F', '放大、缩小、适合窗口', '+ − F', 'zoom in, out, fit'],
  ['E / 双击', '单独放大当前平面', 'E / double click', 'one plane alone'],
  ['T', 'MPR、MIP 切换', 'T', 'MPR, MIP'],
  ['Delete', '删除选中的测量', 'Delete', 'delete the chosen measurement'],
  ['Esc', '返回', 'Esc', 'back'],
  ['单指 双指', '当前工具、缩放与平移', 'One, two fingers', 'one finger: tool; two: zoom and pan'],
];

function KeyTable({ keys }: { keys: [string, string, string, string][] }) {
  return (
    <table class="tags">
      <tbody>
        {keys.map(([pressed, chinese, theirs, english]) => (
          <tr key={pressed}>
            <th>{isEnglish ? theirs : pressed}</th>
            <td>{isEnglish ? english : chinese}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function PlaneHelp({ onClose }: { onClose: () => void }) {
  return (
    <aside class="side" aria-label={words.help}>
      <Head title={words.help} onClose={onClose} />
      <KeyTable keys={PLANE_KEYS} />
    </aside>
  );
}

interface HelpProps {
  mouse: Mouse;
  choices: Record<keyof Mouse, string[]>;
  /** Another habit; nothing is the usual one. */
  onMouse: (mouse: Mouse | undefined) => void;
  onClose: () => void;
}

export function Help({ mouse, choices, onMouse, onClose }: HelpProps) {
  return (
    <aside class="side" aria-label={words.help}>
      <Head title={words.help} onClose={onClose} />
      <section class="habits">
        <h3>{words.mouse}</h3>
        {(Object.keys(choices) as (keyof Mouse)[]).map((button) => (
          <label key={button}>
            <span>{words[button]}</span>
            <select data-mouse={button} value={mouse[button]} onChange={(event) => onMouse({ ...mouse, [button]: event.currentTarget.value })}>
              {choices[button].map((name) => (
                <option key={name} value={name}>
                  {words[name as ToolName]}
                </option>
              ))}
            </select>
          </label>
        ))}
        <button type="button" class="link" data-mouse="usual" onClick={() => onMouse(undefined)}>
          {words.usual}
        </button>
      </section>
      <KeyTable keys={KEYS} />
    </aside>
  );
}
