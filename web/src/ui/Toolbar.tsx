// The tools, each with its sign and word.

import { useState } from 'preact/hooks';
import type { Preset } from '../exam.ts';
import type { ToolName, Turn } from '../engine/index.ts';
import { words } from '../words.ts';
import { Icon } from './icons.tsx';

export type Panel = 'report' | 'tags' | 'help' | '';

export const LAYOUTS: [string, number, number][] = [
  ['1×1', 1, 1],
  ['1×2', 1, 2],
  ['2×1', 2, 1],
  ['2×2', 2, 2],
];

export interface ToolbarProps {
  tool: ToolName;
  presets: Preset[];
  layout: string;
  overlay: boolean;
  lines: boolean;
  linked: boolean;
  playing: boolean;
  speed: number;
  canPlay: boolean;
  hasKeys: boolean;
  hasVolume: boolean;
  maySave: boolean;
  mayPrint: boolean;
  panel: Panel;
  onTool: (tool: ToolName) => void;
  onTurn: (turn: Turn) => void;
  onPreset: (preset: { center: number; width: number } | undefined) => void;
  onLayout: (name: string) => void;
  onToggle: (what: 'overlay' | 'lines' | 'linked') => void;
  onPlay: () => void;
  onSpeed: (speed: number) => void;
  onErase: () => void;
  onKey: () => void;
  onVolume: () => void;
  onSave: () => void;
  onPrint: () => void;
  onPanel: (panel: Panel) => void;
}

const TOOLS: ToolName[] = ['window', 'scroll', 'pan', 'zoom', 'length', 'angle', 'ellipse', 'rectangle'];

export function Toolbar(props: ToolbarProps) {
  const [menu, setMenu] = useState('');
  const toggle = (name: string) => setMenu(menu === name ? '' : name);
  const button = (name: string, icon: string, label: string, act: () => void, pressed?: boolean) => (
    <button type="button" class={`tool${pressed ? ' on' : ''}`} data-tool={name} aria-pressed={pressed} title={label} onClick={act}>
      <Icon name={icon} />
      <span>{label}</span>
    </button>
  );
  const turn = (name: Turn, icon: string, label: string) => button(name, icon, label, () => props.onTurn(name));
  return (
    <div class="toolbar" role="toolbar" aria-label={words.tools}>
      {TOOLS.map((name) => button(name, name, words[name], () => props.onTool(name), props.tool === name))}
      {button('erase', 'erase', words.erase, props.onErase)}
      <span class="gap" />
      {props.presets.length > 0 && (
        <span class="menu">
          {button('presets', 'presets', words.presets, () => toggle('presets'), menu === 'presets')}
          {menu === 'presets' && (
            <div class="menu-list" role="menu">
              <button type="button" role="menuitem" onClick={() => (props.onPreset(undefined), setMenu(''))}>
                {words.original}
              </button>
              {props.presets.map((preset) => (
                <button key={preset.name} type="button" role="menuitem" data-preset={preset.name} onClick={() => (props.onPreset(preset), setMenu(''))}>
                  {preset.name} <small>{`${preset.width} / ${preset.center}`}</small>
                </button>
              ))}
            </div>
          )}
        </span>
      )}
      {turn('fit', 'fit', words.fit)}
      {turn('actual', 'actual', words.actual)}
      {turn('left', 'rotateLeft', words.rotateLeft)}
      {turn('right', 'rotate', words.rotate)}
      {turn('flipH', 'flipH', words.flipH)}
      {turn('flipV', 'flipV', words.flipV)}
      {turn('invert', 'invert', words.invert)}
      {turn('reset', 'reset', words.reset)}
      <span class="gap" />
      <span class="menu">
        {button('layout', 'layout', `${words.layout} ${props.layout}`, () => toggle('layout'), menu === 'layout')}
        {menu === 'layout' && (
          <div class="menu-list" role="menu">
            {LAYOUTS.map(([name]) => (
              <button key={name} type="button" role="menuitem" data-layout={name} onClick={() => (props.onLayout(name), setMenu(''))}>
                {name}
              </button>
            ))}
          </div>
        )}
      </span>
      {button('linked', 'link', words.link, () => props.onToggle('linked'), props.linked)}
      {button('lines', 'lines', words.lines, () => props.onToggle('lines'), props.lines)}
      {button('overlay', 'overlay', words.overlay, () => props.onToggle('overlay'), props.overlay)}
      {props.canPlay && button('cine', props.playing ? 'stop' : 'cine', props.playing ? words.stop : words.cine, props.onPlay, props.playing)}
      {props.canPlay && (
        <label class="speed">
          <input type="number" min={1} max={60} value={props.speed} aria-label={words.speed} onInput={(event) => props.onSpeed(Math.min(60, Math.max(1, Number(event.currentTarget.value) || 1)))} />
          <span>{words.speed}</span>
        </label>
      )}
      {props.hasKeys && button('keys', 'keys', words.keys, props.onKey)}
      {props.hasVolume && button('mpr', 'mpr', words.mpr, props.onVolume)}
      <span class="gap" />
      {props.maySave && button('save', 'save', words.save, props.onSave)}
      {props.mayPrint && button('print', 'print', words.print, props.onPrint)}
      {button('tags', 'tags', words.tags, () => props.onPanel(props.panel === 'tags' ? '' : 'tags'), props.panel === 'tags')}
      {button('help', 'help', words.help, () => props.onPanel(props.panel === 'help' ? '' : 'help'), props.panel === 'help')}
    </div>
  );
}
