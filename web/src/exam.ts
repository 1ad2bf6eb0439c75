// The description of an exam as the server gives it (src/web/pages/viewer_page.rs).

export interface Exam {
  uid: string;
  name: string;
  person: string;
  patientId: string;
  title: string;
  date: string;
  modality: string;
  bodyPart: string;
  organization: string;
  accession: string;
  /** The state of its report in a word. */
  state: string;
  unreviewed: boolean;
  /** Absent where nothing is known of it. */
  critical?: boolean;
  href: string;
}

export interface Series {
  study: string;
  series: string;
  number: number | null;
  modality: string;
  kind: string;
  description: string;
  instances: number;
  offline: number;
  frames: number;
}

export interface Preset {
  modality: string;
  name: string;
  center: number;
  width: number;
}

export interface Section {
  heading: string;
  paragraphs: string[];
}

/** An image that somebody has marked (Key Object Selection). */
export interface KeyImage {
  series: string;
  instance: string;
  /** All frames when none is named. */
  frames: number[];
  title: string;
  description: string;
}

export interface Description {
  exam: Exam;
  series: Series[];
  /** Which of them is put up first; none when nothing can be. */
  first: number | null;
  keys: KeyImage[];
  priors: Exam[];
  presets: Preset[];
  report: Section[];
  /** Pictures of the pages of its report file. */
  reportPages: string[];
  links: { dicomweb: string; basic: string; exam: string; list: string | null };
  /** Whether images may be kept as files. */
  download: boolean;
  print: boolean;
  close: boolean;
}

/** A series together with the exam that it belongs to. */
export interface Shelf {
  exam: Exam;
  series: Series;
}

export const hasReport = ({ report, reportPages }: Description): boolean => report.length > 0 || reportPages.length > 0;

export const isShown = (series: Series): boolean => (series.kind === 'image' || series.kind === 'film') && series.offline === 0 && series.frames > 0;

export const seriesUrl = (root: string, series: Series): string =>
  `${root}/studies/${series.study}/series/${series.series}`;

export function readDescription(): Description {
  const element = document.getElementById('viewer-exam');
  return JSON.parse(element?.textContent ?? '') as Description;
}
