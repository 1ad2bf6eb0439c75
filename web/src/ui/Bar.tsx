// Who is looked at, and the ways out.

import type { Description } from '../exam.ts';
import { words } from '../words.ts';
import { Icon } from './icons.tsx';
import { Labels } from './Labels.tsx';
import type { Panel } from './Toolbar.tsx';

interface BarProps {
  description: Description;
  /** Whether what is looked at, or what was opened, has a report. */
  hasReport: boolean;
  panel: Panel;
  onPanel: (panel: Panel) => void;
  download: string | undefined;
}

export function Bar({ description, hasReport, panel, onPanel, download }: BarProps) {
  const { exam, links, close } = description;
  const full = () => {
    const done = document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen();
    // A frame may be forbidden it.
    done.catch(() => undefined);
  };
  const leave = () => {
    if (window.parent !== window) window.parent.postMessage({ type: 'yingku.close' }, '*');
    window.close();
  };
  const keepBasic = () => {
    try {
      window.localStorage.setItem('yingku.viewer', 'basic');
    } catch {
      // A frame without storage: the address says it once.
    }
  };
  return (
    <header class="bar">
      <h1>
        <span class="who">{exam.name}</span> <span>{exam.person}</span> <span class="soft">{exam.patientId}</span>
      </h1>
      <p class="what">
        <Labels exam={exam} />
        {exam.title} <span class="soft">{exam.date}</span> <span class="soft">{exam.organization}</span>
      </p>
      <nav class="ways">
        {hasReport && (
          <button type="button" class={panel === 'report' ? 'on' : ''} aria-pressed={panel === 'report'} data-way="report" onClick={() => onPanel(panel === 'report' ? '' : 'report')}>
            <Icon name="report" />
            <span>{words.report}</span>
          </button>
        )}
        {download && (
          <a href={download} download data-way="download" title={words.download}>
            <Icon name="download" />
            <span>{words.download}</span>
          </a>
        )}
        {document.fullscreenEnabled && (
          <button type="button" data-way="full" title={words.full} onClick={full}>
            <Icon name="full" />
            <span>{words.full}</span>
          </button>
        )}
        <a href={links.exam} data-way="exam">
          {words.page}
        </a>
        {links.list && <a href={links.list}>{words.list}</a>}
        <a href={links.basic} data-way="basic" onClick={keepBasic}>
          {words.basic}
        </a>
        {close && (
          <button type="button" onClick={leave}>
            {words.close}
          </button>
        )}
      </nav>
    </header>
  );
}
