// Where one is in a stack, and the way to anywhere else in it.

import { useRef } from 'preact/hooks';

export interface SliderProps {
  index: number;
  count: number;
  /** How many of them are there. */
  loaded: number;
  label: string;
  onMove: (index: number) => void;
}

export function Slider({ index, count, loaded, label, onMove }: SliderProps) {
  const track = useRef<HTMLDivElement>(null);
  const move = (event: PointerEvent) => {
    const box = track.current!.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientY - box.top) / box.height));
    onMove(Math.round(share * (count - 1)));
  };
  // Whole at both ends.
  const place = (index / Math.max(1, count - 1)) * 100;
  return (
    <div
      class="slider"
      ref={track}
      role="slider"
      tabIndex={0}
      aria-label={label}
      aria-orientation="vertical"
      aria-valuemin={1}
      aria-valuemax={count}
      aria-valuenow={index + 1}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        move(event);
      }}
      onPointerMove={(event) => event.buttons === 1 && move(event)}
    >
      <div class="slider-loaded" style={{ height: `${Math.min(100, (loaded / count) * 100)}%` }} />
      <div class="slider-thumb" style={{ top: `${place}%`, transform: `translateY(-${place}%)` }} />
    </div>
  );
}
