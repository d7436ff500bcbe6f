import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';

import { anonymous, type Principal, setPrincipal } from '@callosum/auth';
import { describe, expect, it } from 'vitest';

import { askerOf } from './asker.js';

const person: Principal = { kind: 'bearer', clientId: 'viewer', subject: 'dr-jones', roles: new Set(['dicom-reader']) };

function askerFor(principal: Principal | undefined): string | undefined {
  const raw = new IncomingMessage(new Socket());
  if (principal) setPrincipal(raw, principal);
  return askerOf({ raw });
}

describe('who asks', () => {
  it('is the person at the application: each of both tells apart', () => {
    const { clientId: _, ...withoutClient } = person;
    const all = [
      person,
      { ...person, subject: 'dr-b' },
      { ...person, clientId: 'archive' },
      withoutClient,
      { ...person, clientId: 'viewer","dr', subject: 'jones' },
      { ...person, clientId: 'viewerdr', subject: '-jones' },
    ].map(askerFor);
    expect(new Set(all).size).toBe(all.length);
    expect(askerFor({ ...person, roles: new Set() })).toBe(askerFor(person));
  });

  it('is told to nobody by name', () => {
    expect(askerFor(person)).toMatch(/^principal:[\w-]{43}$/);
    expect(askerFor(person)).not.toMatch(/jones|viewer/);
  });

  it('is nobody in particular where nobody is asked for a token', () => {
    expect([askerFor(anonymous), askerFor(undefined)]).toEqual([undefined, undefined]);
  });
});
