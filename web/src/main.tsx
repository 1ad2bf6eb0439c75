// Starts the viewer: the exam stands in the page and its first image, as the server draws it; what the viewer draws itself is
// fetched while the engine is still on its way.

import './polyfill.ts';
import { render } from 'preact';
import './style.css';
import { prepare } from './dicom/frames.ts';
import { awaken } from './dicom/pool.ts';
import { chooseRenderer } from './engine/capability.ts';
import { readDescription } from './exam.ts';
import { stackOf } from './stacks.ts';
import { App } from './ui/App.tsx';
import { firstShelf } from './ui/hanging.ts';
import { words } from './words.ts';

async function start(): Promise<void> {
  const root = document.getElementById('viewer')!;
  const description = readDescription();
  const engine = import('./engine/index.ts');
  const first = firstShelf(description);
  const stack = first && stackOf(description.links.dicomweb, first.series);
  // What is asked for is on its way before the processor is: that takes a while.
  const renderer = chooseRenderer();
  if (stack) {
    // While the engine is on its way the page itself has no time: what decodes its first image comes beside it.
    awaken();
    stack.then(
      (slices) => slices[0] && prepare(slices[0], renderer === 'gpu'),
      // Said in the pane, which asks again.
      () => undefined,
    );
  }
  const loaded = await engine;
  loaded.start(renderer);
  const picture = document.getElementById('first-picture') ?? undefined;
  root.textContent = '';
  render(<App description={description} engine={loaded} picture={picture} />, root);
  document.documentElement.setAttribute('data-viewer', 'started');
}

start().catch((error: unknown) => {
  const note = document.getElementById('viewer-failed');
  if (note) note.hidden = false;
  const wait = document.getElementById('viewer-wait');
  if (wait) wait.textContent = words.failed;
  throw error;
});
