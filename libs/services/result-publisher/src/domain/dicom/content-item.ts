import { codeSequence } from './codes.js';
import { decimalString } from '@callosum/dicom';

import { type Attribute, attribute, type Dataset, sequence } from './dataset.js';
import { sopInstanceReference } from './references.js';
import type { Code } from '../result.js';

export type Relationship = 'CONTAINS' | 'HAS OBS CONTEXT' | 'HAS CONCEPT MOD' | 'HAS PROPERTIES';

/** A node of an SR content tree (PS3.3 C.17.3): its relationship to the parent, concept, value, and children. */
export function item(
  relationship: Relationship,
  valueType: string,
  concept: Code | undefined,
  value: Dataset,
  children: readonly Dataset[] = [],
): Dataset {
  return {
    '0040A010': attribute('CS', relationship),
    '0040A040': attribute('CS', valueType),
    ...(concept ? { '0040A043': codeSequence(concept) } : {}),
    ...value,
    ...(children.length > 0 ? { '0040A730': sequence(...children) } : {}),
  };
}

export const code = (
  relationship: Relationship,
  concept: Code,
  value: Code,
  children: readonly Dataset[] = [],
): Dataset => item(relationship, 'CODE', concept, { '0040A168': codeSequence(value) }, children);

export const text = (relationship: Relationship, concept: Code, value: string): Dataset =>
  item(relationship, 'TEXT', concept, { '0040A160': attribute('UT', value) });

export const uidReference = (relationship: Relationship, concept: Code, uid: string): Dataset =>
  item(relationship, 'UIDREF', concept, { '0040A124': attribute('UI', uid) });

/** NUM with the value as Decimal String and, because that rounds, as Floating Point Value (C.18.1). */
export const number = (
  relationship: Relationship,
  concept: Code,
  value: number,
  unit: Code,
  children: readonly Dataset[] = [],
): Dataset =>
  item(
    relationship,
    'NUM',
    concept,
    {
      '0040A300': sequence({
        '0040A30A': attribute('DS', decimalString(value)),
        '0040A161': attribute('FD', value),
        '004008EA': codeSequence(unit),
      }),
    },
    children,
  );

/** IMAGE that refers to one segment of a Segmentation (C.18.4). */
export const segmentReference = (
  relationship: Relationship,
  concept: Code,
  object: { readonly sopClassUid: string; readonly sopInstanceUid: string },
  segmentNumber: number,
): Dataset =>
  item(relationship, 'IMAGE', concept, {
    '00081199': sequence({ ...sopInstanceReference(object), '0062000B': attribute('US', segmentNumber) }),
  });

export const continuous: Readonly<Record<string, Attribute>> = { '0040A050': attribute('CS', 'CONTINUOUS') };

/** Content Template (C.18.8). */
export const template = (identifier: string): Dataset => ({
  '0040A504': sequence({ '00080105': attribute('CS', 'DCMR'), '0040DB00': attribute('CS', identifier) }),
});

export const container = (
  relationship: Relationship,
  concept: Code,
  children: readonly Dataset[],
  templateId?: string,
): Dataset =>
  item(relationship, 'CONTAINER', concept, { ...continuous, ...(templateId ? template(templateId) : {}) }, children);
