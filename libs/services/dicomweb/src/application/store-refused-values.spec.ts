import { describe, expect, it } from 'vitest';

import { ct, metadata, reasons, stated, Tried } from '../test-support/metadata-request.js';

describe('metadata with values that no object may have', () => {
  it('fails by itself, and the others are stored', async () => {
    const tried = new Tried();
    const [number, sex, good] = [ct('1.1'), ct('1.2'), ct('1.3')];
    const answer = await tried.send([
      metadata(
        { ...number.json, '00200013': { vr: 'IS', Value: [1.5] } },
        { ...sex.json, '00100040': { vr: 'US', Value: [1] } },
        good.json,
      ),
      ...['1.1', '1.2', '1.3'].map((uid) => stated(`pixels/${uid}`, good.pixels)),
    ]);
    expect([answer.status, reasons(answer)]).toEqual([
      202,
      [
        ['1.1', 0xc000],
        ['1.2', 0xc000],
      ],
    ]);
    expect(tried.intake.stored.map(({ object }) => object.sopInstanceUid)).toEqual(['1.3']);
  });

  it('fails where an attribute is there twice: of two patients nobody knows which', async () => {
    const tried = new Tried();
    const { '7FE00010': _pixels, ...json } = ct('1.1').json;
    const text = JSON.stringify(json);
    const twice = `${text.slice(0, -1)},"00100020":{"vr":"LO","Value":["ANOTHER"]}}`;
    const answer = await tried.send([{ ...metadata(), bytes: `[${twice},${text}]` }]);
    expect([answer.status, reasons(answer)]).toEqual([202, [['', 0xc000]]]);
    expect(tried.intake.stored).toHaveLength(1);
  });
});
