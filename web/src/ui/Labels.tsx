// What a reader must know of a report at first sight: whether it is reviewed or revised, and that it is critical.

import type { Exam } from '../exam.ts';
import { words } from '../words.ts';

/** Before the words that they belong to: what is too long loses its end. */
export function Labels({ exam }: { exam: Exam }) {
  const isStriking = exam.unreviewed || exam.state === words.revised;
  const state = exam.unreviewed ? words.unreviewed : exam.state;
  return (
    <>
      {exam.critical && <span class="label alarm">{words.critical}</span>}
      {state && <span class={isStriking ? 'label' : 'label quiet'}>{state}</span>}
    </>
  );
}
