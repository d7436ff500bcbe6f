import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

import { chartFolder, objectsOf, runHelm } from './chart.js';

/** `helm template` renders no notes: a copy of the chart carries them in an object. */
const folder = mkdtempSync(join(tmpdir(), 'callosum-notes-'));
cpSync(chartFolder, folder, { recursive: true });
cpSync(join(chartFolder, 'templates/NOTES.txt'), join(folder, 'notes.txt'));
writeFileSync(
  join(folder, 'templates/notes.yaml'),
  'kind: Notes\nspec: {{ tpl (.Files.Get "notes.txt") . | toJson }}\n',
);

function notes(...set: readonly string[]): string {
  const values = set.flatMap((one) => ['--set', one]);
  const { stdout, stderr } = runHelm(['template', 'callosum', folder, '-f', 'ci/site.yaml', ...values]);
  const found = objectsOf(stdout).find(({ kind }) => kind === 'Notes');
  if (!found) throw new Error(stderr);
  return String(found.spec);
}

describe('the notes of an install', () => {
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('say which patient data the cluster has to encrypt, and nothing where there are none', () => {
    const fhir = 'FHIR, with demographics';
    const grpc = 'gRPC between services';
    const certified = [
      'auth.internal=mtls',
      'certificates.enabled=true',
      'certificates.internalIssuerRef.name=ca',
      'certificates.issuerRef.name=ca',
      'skipCrdCheck=true',
    ];
    const elsewhere = [
      'fhir.url=https://fhir.example.org/r4',
      'networkPolicy.fhir[0].ipBlock.cidr=10.0.0.0/8',
      'auth.clientSecret=x',
    ];
    expect(notes()).toContain(`${fhir} and tokens, and ${grpc}`);
    expect(notes(...certified)).toContain(fhir);
    expect(notes(...certified)).not.toContain(grpc);
    expect(notes(...elsewhere)).toContain(`in clear: ${grpc}`);
    expect(notes(...certified, ...elsewhere)).not.toContain('in clear');
  });

  it('warn of metrics that everybody reads where no policy keeps them off', () => {
    expect(notes()).not.toContain('WARNING');
    expect(notes('networkPolicy.enabled=false')).toMatch(/^WARNING: .*9464/m);
  });
});
