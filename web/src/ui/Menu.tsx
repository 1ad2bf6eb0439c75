// A button that opens a list of choices.

import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Icon } from './icons.tsx';

export interface Choice {
  key: string;
  text: string;
  more?: string;
  isOn?: boolean;
  data?: Record<string, string>;
  act: () => void;
}

export interface MenuProps {
  /** Of the tool, and of its sign. */
  name: string;
  label: string;
  choices: Choice[];
  isDisabled?: boolean;
}

export function Menu({ name, label, choices, isDisabled }: MenuProps) {
  const [isOpen, setOpen] = useState(false);
  const whole = useRef<HTMLSpanElement>(null);
  // An open menu has the focus at once, for the next key may be meant for it; it is left by Escape, and by a press elsewhere.
  useLayoutEffect(() => {
    if (!isOpen) return undefined;
    whole.current?.querySelector<HTMLElement>('[role="menuitemradio"]')?.focus();
    const elsewhere = (event: Event) => {
      if (!whole.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener('pointerdown', elsewhere, true);
    return () => document.removeEventListener('pointerdown', elsewhere, true);
  }, [isOpen]);
  const choose = (act?: () => void) => {
    setOpen(false);
    whole.current?.querySelector<HTMLElement>('.tool')?.focus();
    act?.();
  };
  const press = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' && event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === 'Escape') return choose();
    const all = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>('[role="menuitemradio"]')];
    const at = all.indexOf(document.activeElement as HTMLElement) + (event.key === 'ArrowDown' ? 1 : -1);
    all[(at + all.length) % all.length]?.focus();
  };
  return (
    <span class="menu" ref={whole}>
      <button type="button" class={`tool${isOpen ? ' on' : ''}`} data-tool={name} aria-haspopup="menu" aria-expanded={isOpen} title={label} disabled={isDisabled} onClick={() => setOpen(!isOpen)}>
        <Icon name={name} />
        <span>{label}</span>
      </button>
      {isOpen && (
        <div class="menu-list" role="menu" aria-label={label} onKeyDown={press}>
          {choices.map((one) => (
            <button key={one.key} type="button" role="menuitemradio" aria-checked={one.isOn ?? false} {...one.data} onClick={() => choose(one.act)}>
              {one.text} {one.more && <small>{one.more}</small>}
            </button>
          ))}
        </div>
      )}
    </span>
  );
}
