// Signs of the tools, drawn in a square of 24.

const PATHS: Record<string, string> = {
  window: 'M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18zM12 3v18a9 9 0 0 0 0-18z',
  scroll: 'M7 4h10M7 20h10M12 7v10M9 9.5l3-3l3 3M9 14.5l3 3l3-3',
  pan: 'M12 3v18M3 12h18M9.5 5.5L12 3l2.5 2.5M9.5 18.5L12 21l2.5-2.5M5.5 9.5L3 12l2.5 2.5M18.5 9.5L21 12l-2.5 2.5',
  zoom: 'M10.5 4a6.5 6.5 0 1 0 0 13a6.5 6.5 0 1 0 0-13zM15.5 15.5L21 21M10.5 7.5v6M7.5 10.5h6',
  length: 'M4 17L17 4l3 3L7 20zM8 13l2 2M11 10l2 2M14 7l2 2',
  angle: 'M20 19H4L15 5M10 19a7 7 0 0 0-2-5',
  ellipse: 'M12 6c5 0 9 2.700 9 6s-4 6-9 6s-9-2.700-9-6s4-6 9-6z',
  rectangle: 'M4 6h16v12H4z',
  erase: 'M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13M10 11v5M14 11v5',
  fit: 'M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5',
  actual: 'M6 7l2-1v12M18 7l-2-1v12M12 10v.5M12 14v.5M4 3h16v18H4z',
  reset: 'M5 8a8 8 0 1 1-1 6M5 3v5h5',
  rotate: 'M18 8a8 8 0 1 0 1.500 6M19 3v5h-5',
  rotateLeft: 'M6 8a8 8 0 1 1-1.500 6M5 3v5h5',
  flipH: 'M12 3v18M9 7L4 17h5zM15 7l5 10h-5z',
  flipV: 'M3 12h18M7 9l10-5v5zM7 15l10 5v-5z',
  invert: 'M12 3a9 9 0 1 0 0 18V3zM12 3a9 9 0 0 1 0 18',
  layout: 'M4 4h16v16H4zM12 4v16M4 12h16',
  link: 'M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-6-6l-1.500 1.500M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 6 6l1.500-1.500',
  lines: 'M4 4h16v16H4zM4 9h16M4 15h16',
  overlay: 'M4 5h10M4 9h7M4 15h5M4 19h8M17 13v7M17 9v.5',
  cine: 'M7 4l13 8l-13 8z',
  stop: 'M6 5h4v14H6zM14 5h4v14h-4z',
  full: 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5',
  save: 'M12 4v11M7.500 11L12 15.500L16.500 11M4 20h16',
  print: 'M7 9V4h10v5M7 17H4V9h16v8h-3M7 14h10v6H7z',
  download: 'M4 4h16v16H4zM12 7v7M9 11.500l3 3l3-3M8 17h8',
  tags: 'M4 4h8l8 8l-8 8l-8-8zM8.500 8v.5',
  help: 'M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18zM9.500 9.500a2.500 2.500 0 1 1 3.500 2.300c-.700.300-1 .800-1 1.700M12 16.500v.5',
  report: 'M6 3h9l4 4v14H6zM9 11h7M9 15h7',
  keys: 'M12 3l2.700 5.800l6.300.800l-4.600 4.300l1.200 6.300L12 17.200L6.400 20.200l1.200-6.300L3 9.600l6.300-.8z',
  mpr: 'M12 3l8 4.500v9L12 21l-8-4.500v-9zM12 12l8-4.500M12 12v9M12 12L4 7.500',
  cross: 'M12 2v7M12 15v7M2 12h7M15 12h7',
  presets: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.500v5M9 14.500v5',
  magnify: 'M10 3.500a6.500 6.500 0 1 0 0 13a6.500 6.500 0 1 0 0-13zM15 15l6 6M8 8.500a2.500 2.500 0 0 1 2.500-2.500',
  states: 'M4 5h16v14H4zM7 15l4-5l3 3l3-4M7 8h3',
  gpu: 'M4 7h16v10H4zM9 10a2 2 0 1 0 0 4a2 2 0 1 0 0-4zM15 10v4M7 17v3M11 17v3M15 17v3',
  more: 'M6 12h.5M12 12h.5M18 12h.5',
};

export function Icon({ name }: { name: string }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false">
      <path d={PATHS[name] ?? ''} />
    </svg>
  );
}
