import { describe, expect, it } from 'vitest';

import { type StudyTexts, writeTexts } from './study-texts.js';

describe('writing the texts of all studies', () => {
  const portions = (...written: number[]): StudyTexts => ({ writeSome: () => Promise.resolve(written.shift() ?? 0) });
  const never = new AbortController().signal;

  it('goes on until there are no more, with a pause after each portion', async () => {
    let pauses = 0;
    expect(await writeTexts(portions(500, 500, 3), () => Promise.resolve(pauses++), never)).toBe(1_003);
    expect(pauses).toBe(3);
    expect(await writeTexts(portions(), () => Promise.resolve(pauses++), never)).toBe(0);
    expect(pauses).toBe(3);
  });

  it('ends when it is to, and says what it has done', async () => {
    const ending = new AbortController();
    const pause = () => Promise.resolve(ending.abort());
    expect(await writeTexts(portions(500, 500), pause, ending.signal)).toBe(500);
  });

  it('fails with what fails', async () => {
    const texts = { writeSome: () => Promise.reject(new Error('away')) };
    await expect(writeTexts(texts, () => Promise.resolve(), never)).rejects.toThrow('away');
  });
});
