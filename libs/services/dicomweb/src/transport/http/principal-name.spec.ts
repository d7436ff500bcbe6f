import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';

import { anonymous, type Principal, setPrincipal } from '@callosum/auth';
import { describe, expect, it } from 'vitest';

import { sourceOf } from '../../domain/sender.js';
import { principalNameOf } from './principal-name.js';

const bearer: Principal = { kind: 'bearer', subject: 'dr-a', roles: new Set(['dicom-writer']) };

/** Source of what is stored by a request of this principal, sent below `from/clinic-a`. */
function sourceFor(principal: Principal | undefined): string {
  const raw = new IncomingMessage(new Socket());
  if (principal) setPrincipal(raw, principal);
  return sourceOf({ principal: principalNameOf({ raw }), named: 'clinic-a', address: '10.0.0.1' });
}

describe('the source of a STOW-RS request', () => {
  it('is the client the token names, whoever uses it, and not the name in the URL', () => {
    expect(sourceFor({ ...bearer, clientId: 'pacs-a' })).toBe('principal:pacs-a');
    expect(sourceFor({ ...bearer, subject: 'dr-b', clientId: 'pacs-a' })).toBe('principal:pacs-a');
  });

  it('is the subject of a token that names no client', () => {
    expect(sourceFor(bearer)).toBe('principal:dr-a');
  });

  it('is the name in the URL where nobody is asked for a token', () => {
    expect(sourceFor(anonymous)).toBe('http:clinic-a');
    expect(sourceFor(undefined)).toBe('http:clinic-a');
  });
});
