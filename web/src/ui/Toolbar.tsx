// The tools, each with its sign and word.

import type { Presentation } from '../dicom/presentation.ts';
import type { Chosen, ToolName, Turn } from '../engine/index.ts';
import { words } from '../words.ts';
import { Icon } from './icons.tsx';
import { Menu } from './Menu.tsx';
import { choicesOf, type Offer } from './presets.ts';

export type Panel = 'report' | 'tags' | 'help' | '';

export const LAYOUTS: [string, number, number][] = [
  ['1×1', 1, 1],
  ['1×2', 1, 2],
  ['2×1', 2, 1],
  ['2×2', 2, 2],
];

export interface ToolbarProps {
  tool: ToolName;
  offers: Offer[];
  layout: string;
  overlay: boolean;
  lines: boolean;
  linked: boolean;
  playing: boolean;
  speed: number;
  canPlay: boolean;
  hasKeys: boolean;
  hasVolume: boolean;
  /** Presentation states of what the pane shows, and the one that is applied. */
  states: Presentation[];
  state: string;
  renderer: 'gpu' | 'cpu';
  hasGraphics: boolean;
  maySave: boolean;
  mayPrint: boolean;
  panel: Panel;
  onTool: (tool: ToolName) => void;
  onTurn: (turn: Turn) => void;
  onPreset: (window: Chosen | undefined) => void;
  onLayout: (name: string) => void;
  onToggle: (what: 'overlay' | 'lines' | 'linked') => void;
  onPlay: () => void;
  onSpeed: (speed: number) => void;
  onErase: () => void;
  onKey: () => void;
  onVolume: () => void;
  onState: (state: Presentation | undefined) => void;
  onRenderer: () => void;
  onSave: () => void;
  onPrint: () => void;
  onPanel: (panel: Panel) => void;
}

const TOOLS: ToolName[] = ['window', 'scroll', 'pan', 'zoom', 'length', 'angle', 'ellipse', 'rectangle', 'magnify'];

export function Toolbar(props: ToolbarProps) {
  const button = (name: string, icon: string, label: string, act: () => void, pressed?: boolean, title = label) => (
    <button type="button" class={`tool${pressed ? ' on' : ''}`} data-tool={name} aria-pressed={pressed} aria-label={title === label ? undefined : title} title={title} onClick={act}>
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
      {props.offers.length > 0 &&
        <Menu name="presets" label={words.presets} choices={choicesOf(props.offers, props.onPreset)} />}
      {props.states.length > 0 &&
        <Menu
          name="states"
          label={words.states}
          choices={[
            { key: '', text: words.noState, isOn: props.state === '', data: { 'data-state-uid': '' }, act: () => props.onState(undefined) },
            ...props.states.map((state, at) => ({
              key: state.uid,
              text: state.name || `${words.states} ${at + 1}`,
              isOn: state.uid === props.state,
              data: { 'data-state-uid': state.uid },
              act: () => props.onState(state),
            })),
          ]}
        />}
      {turn('fit', 'fit', words.fit)}
      {turn('actual', 'actual', words.actual)}
      {turn('left', 'rotateLeft', words.rotateLeft)}
      {turn('right', 'rotate', words.rotate)}
      {turn('flipH', 'flipH', words.flipH)}
      {turn('flipV', 'flipV', words.flipV)}
      {turn('invert', 'invert', words.invert)}
      {turn('reset', 'reset', words.reset)}
      <span class="gap" />
      <Menu
        name="layout"
        label={`${words.layout} ${props.layout}`}
        choices={LAYOUTS.map(([name]) => ({ key: name, text: name, isOn: name === props.layout, data: { 'data-layout': name }, act: () => props.onLayout(name) }))}
      />
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
      {props.hasGraphics && button('gpu', 'gpu', words.gpu, props.onRenderer, props.renderer === 'gpu', props.renderer === 'gpu' ? words.gpuOn : words.gpuOff)}
      <span class="gap" />
      {props.maySave && button('save', 'save', words.save, props.onSave)}
      {props.mayPrint && button('print', 'print', words.print, props.onPrint)}
      {button('tags', 'tags', words.tags, () => props.onPanel(props.panel === 'tags' ? '' : 'tags'), props.panel === 'tags')}
      {button('help', 'help', words.help, () => props.onPanel(props.panel === 'help' ? '' : 'help'), props.panel === 'help')}
    </div>
  );
}
