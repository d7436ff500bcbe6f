export { randomOf } from '@callosum/phantom';

/** A source of numbers in [0, 1). */
export type Random = () => number;

/** One of the choices; each is as likely. @throws {RangeError} when there is none */
export function pick<T>(random: Random, choices: readonly T[]): T {
  const chosen = choices[Math.floor(random() * choices.length)];
  if (chosen === undefined) throw new RangeError('nothing to choose from');
  return chosen;
}

/** A whole number from `min` to `max`, both included. */
export function between(random: Random, min: number, max: number): number {
  return min + Math.floor(random() * (max - min + 1));
}
