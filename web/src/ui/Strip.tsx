// The series of the exam with thumbnails and counts; films apart; exams of the same patient below.

import { useState } from 'preact/hooks';
import { type Description, type Exam, isShown, type Series, type Shelf, seriesUrl } from '../exam.ts';
import { getJson } from '../net.ts';
import { words } from '../words.ts';

export const keyOf = (series: Series): string => `${series.study}/${series.series}`;

interface StripProps {
  description: Description;
  shown: Set<string>;
  current: string;
  onChoose: (shelf: Shelf) => void;
  onPrior: (description: Description) => void;
  priors: Map<string, Description>;
  /** Counts how often the line came back: pictures that failed are asked for again. */
  epoch: number;
}

export function Strip({ description, shown, current, onChoose, onPrior, priors, epoch }: StripProps) {
  const { exam, series, links } = description;
  const group = (title: string, of: Exam, all: Series[]) =>
    all.length > 0 && (
      <section>
        <h2>{title}</h2>
        {all.map((one) => (
          <Thumbnail key={keyOf(one)} epoch={epoch} root={links.dicomweb} series={one} isShown={shown.has(keyOf(one))} isCurrent={current === keyOf(one)} onChoose={() => onChoose({ exam: of, series: one })} />
        ))}
      </section>
    );
  return (
    <nav class="strip" aria-label={words.series}>
      {group(words.series, exam, series.filter((one) => one.kind === 'image' && isShown(one)))}
      {group(words.film, exam, series.filter((one) => one.kind === 'film' && isShown(one)))}
      {series.some((one) => one.offline > 0) && <p class="soft">{words.upstream}</p>}
      {description.priors.length > 0 && (
        <section>
          <h2>{words.priors}</h2>
          {description.priors.map((prior) => (
            <Prior key={prior.uid} prior={prior} read={priors.get(prior.uid)} onRead={onPrior} group={group} />
          ))}
        </section>
      )}
    </nav>
  );
}

interface PriorProps {
  prior: Exam;
  read: Description | undefined;
  onRead: (description: Description) => void;
  group: (title: string, of: Exam, all: Series[]) => preact.ComponentChildren;
}

function Prior({ prior, read, onRead, group }: PriorProps) {
  const [open, setOpen] = useState(false);
  const toggle = () => {
    setOpen(!open);
    if (!open && !read) getJson<Description>(prior.href).then(onRead, () => setOpen(false));
  };
  return (
    <div class="prior">
      <button type="button" aria-expanded={open} onClick={toggle}>
        <b>{prior.date.slice(0, 10)}</b>
        <span>{prior.title}</span>
      </button>
      {open && read && group('', prior, read.series.filter(isShown))}
    </div>
  );
}

interface ThumbnailProps {
  epoch: number;
  root: string;
  series: Series;
  isShown: boolean;
  isCurrent: boolean;
  onChoose: () => void;
}

function Thumbnail({ epoch, root, series, isShown: visible, isCurrent, onChoose }: ThumbnailProps) {
  const name = series.description || series.modality;
  return (
    <button
      type="button"
      class={`thumbnail${isCurrent ? ' current' : ''}${visible ? ' visible' : ''}`}
      aria-pressed={visible}
      title={name}
      draggable
      data-series={series.series}
      onDragStart={(event) => event.dataTransfer?.setData('text/plain', keyOf(series))}
      onClick={onChoose}
    >
      <img key={epoch} src={`${seriesUrl(root, series)}/thumbnail`} alt="" width="96" height="96" loading="lazy" draggable={false} />
      <span class="count">
        {series.frames} {words.images}
      </span>
      <span class="name">
        {series.number ?? ''} {name}
      </span>
    </button>
  );
}
