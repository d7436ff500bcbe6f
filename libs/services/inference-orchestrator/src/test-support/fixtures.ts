import { inference, type worker } from '@callosum/contracts';
import { newId } from '@callosum/kernel';
import { type TinyInstance, tinySeries } from '@callosum/phantom';

import { manifest } from './worker.js';

export const sct = (value: string, meaning: string): inference.Code => ({ value, scheme: 'SCT', meaning });

export const measurement = inference.Measurement.fromPartial({
  id: 'volume',
  concept: sct('118565006', 'Volume'),
  value: 12.5,
  unit: { value: 'mL', scheme: 'UCUM', meaning: 'milliliter' },
});

export const simpleResult = inference.InferenceResult.fromPartial({ measurements: [measurement] });

export interface Fresh {
  readonly model: worker.Manifest;
  readonly bodyPart: string;
  readonly series: readonly TinyInstance[];
  readonly bytes: readonly Uint8Array[];
}

/** A model and a study for one test, met by no other: tests share one service. */
export function fresh(name: string): Fresh {
  const bodyPart = newId().slice(0, 8).toUpperCase();
  const series = tinySeries({ salt: newId(), overrides: { BodyPartExamined: bodyPart } });
  return {
    model: manifest(`${name}-${bodyPart}`, bodyPart),
    bodyPart,
    series,
    bytes: series.map(({ bytes }) => bytes),
  };
}
