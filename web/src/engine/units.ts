// In what a length is said, and what is said of it: a unit only where the object supports it.

import type { Scale } from '../dicom/slice.ts';
import { words } from '../words.ts';

/**
 * `mm`, `px`, or `cm` in a region of an ultrasound picture, of which `measured` is Cornerstone's word; the mark says in which
 * plane a length on a projection is meant.
 */
export function lengthUnit(scale: Scale | undefined, measured: string | null | undefined): { unit: string; mark: string } {
  switch (scale) {
    case 'patient':
    case undefined:
      return { unit: 'mm', mark: '' };
    case 'detector':
      return { unit: 'mm', mark: ` (${words.onDetector})` };
    case 'projection':
      return { unit: 'mm', mark: ` (${words.uncalibrated})` };
    case 'regions':
      return { unit: measured?.startsWith('cm ') ? 'cm' : 'px', mark: '' };
    case 'none':
      return { unit: 'px', mark: '' };
  }
}
