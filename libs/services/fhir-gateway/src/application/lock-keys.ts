import type { Criteria } from '../domain/criteria.js';
import type { IndexEntry } from '../domain/search-value.js';
import type { Definitions, LockKey } from './ports.js';
import type { CheckedWrite } from './write-request.js';

/**
 * What a transaction must hold before it looks: the conditions it decides on, and what it is about to make true.
 * A condition on an identifier excludes every write of a resource of that type with that identifier value, so two
 * conditional creates, or a conditional and a plain one, cannot both find nothing. Conditions without an identifier
 * exclude only equal conditions.
 */
export function lockKeys(writes: readonly CheckedWrite[], definitions: Definitions): LockKey[] {
  const keys = new Map<string, boolean>();
  const add = (key: string, exclusive: boolean): void => void keys.set(key, exclusive || keys.get(key) === true);
  for (const { request, resource, criteria } of writes) {
    const { interaction } = request;
    const { resourceType } = interaction;
    if (interaction.kind === 'update' || interaction.kind === 'delete') add(`${resourceType}/${interaction.id}`, true);
    if (criteria) for (const key of conditionKeys(criteria)) add(key, true);
    if (resource)
      for (const entry of definitions.index(resource).filter(isIdentifier))
        add(identifierKey(resourceType, entry.value ?? ''), false);
  }
  return [...keys].map(([key, exclusive]) => ({ key, exclusive }));
}

const isIdentifier = ({ param, value }: IndexEntry): boolean => param === 'identifier' && value !== undefined;

function conditionKeys({ resourceType, filters }: Criteria): string[] {
  const codes = filters.flatMap((filter) =>
    filter.kind === 'token' && filter.param === 'identifier' && !filter.not
      ? filter.values.flatMap(({ code }) => code ?? [])
      : [],
  );
  if (codes.length > 0) return codes.map((code) => identifierKey(resourceType, code));
  return [`${resourceType}?${JSON.stringify(filters)}`];
}

const identifierKey = (resourceType: string, value: string): string => `${resourceType}?identifier=${value}`;
