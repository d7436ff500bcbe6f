import type { Resource } from '@callosum/fhir';
import {
  evalFhirPathTyped,
  type FhirPathAtom,
  getExpressionForResourceType,
  getSearchParameterDetails,
  parseFhirPath,
  toTypedValue,
  type TypedValue,
} from '@medplum/core';
import type { Period, SearchParameter, Timing } from '@medplum/fhirtypes';

import type { ParameterDefinition } from '../../domain/criteria.js';
import { type DateSpan, dateSpan, type IndexEntry, normaliseText, type SearchKind } from '../../domain/search-value.js';
import type { CodeLists } from './code-lists.js';

interface Indexed extends ParameterDefinition {
  readonly expression: FhirPathAtom;
}

const kinds: ReadonlySet<string> = new Set<SearchKind>(['token', 'reference', 'date', 'string', 'uri']);
/** Answered from the resource's own row. */
const builtIn: readonly ParameterDefinition[] = [
  {
    code: '_id',
    kind: 'token',
    targets: [],
    documentation: 'Logical id of the resource',
    url: 'http://hl7.org/fhir/SearchParameter/Resource-id',
  },
  {
    code: '_lastUpdated',
    kind: 'date',
    targets: [],
    documentation: 'When the version last changed',
    url: 'http://hl7.org/fhir/SearchParameter/Resource-lastUpdated',
  },
];
const builtInCodes = new Set(builtIn.map(({ code }) => code));

/** Evaluates the R4 search parameters of types token, reference, date, string and uri; the others are not offered. */
export class SearchIndexer {
  private readonly byType = new Map<string, ReadonlyMap<string, Indexed>>();
  private readonly definitions = new Map<string, ReadonlyMap<string, ParameterDefinition>>();

  constructor(
    private readonly all: readonly SearchParameter[],
    private readonly bases: readonly string[],
    private readonly codeLists: CodeLists,
  ) {}

  parameters(resourceType: string): ReadonlyMap<string, ParameterDefinition> {
    const known = this.definitions.get(resourceType);
    if (known) return known;
    const map = new Map<string, ParameterDefinition>([
      ...builtIn.map((one) => [one.code, one] as const),
      ...this.indexed(resourceType),
    ]);
    this.definitions.set(resourceType, map);
    return map;
  }

  index(resource: Resource): IndexEntry[] {
    const root = [toTypedValue(resource)];
    const entries = new Map<string, IndexEntry>();
    for (const parameter of this.indexed(resource.resourceType).values()) {
      for (const value of evalFhirPathTyped(parameter.expression, root)) {
        for (const entry of this.entriesOf(parameter, value)) entries.set(JSON.stringify(entry), entry);
      }
    }
    return [...entries.values()];
  }

  private indexed(resourceType: string): ReadonlyMap<string, Indexed> {
    const known = this.byType.get(resourceType);
    if (known) return known;
    const map = new Map<string, Indexed>();
    for (const parameter of this.all) {
      const applies = parameter.base?.some(
        (base) =>
          (base as string) === resourceType || (base as string) === 'Resource' || (base as string) === 'DomainResource',
      );
      if (!applies || !parameter.expression || !kinds.has(parameter.type) || builtInCodes.has(parameter.code)) continue;
      const compiled = compile(resourceType, parameter, parameter.expression);
      const implicitCodes = parameter.type === 'token' ? this.implicitCodes(resourceType, parameter) : undefined;
      map.set(parameter.code, implicitCodes ? { ...compiled, implicitCodes } : compiled);
    }
    this.byType.set(resourceType, map);
    return map;
  }

  /** Undefined when no element of the parameter is a `code` whose binding could be expanded. */
  private implicitCodes(resourceType: string, parameter: SearchParameter): ReadonlySet<string> | undefined {
    const { elementDefinitions } = getSearchParameterDetails(resourceType, parameter);
    const codes = (elementDefinitions ?? [])
      .filter(({ type, binding }) => binding?.strength === 'required' && type.some(({ code }) => code === 'code'))
      .flatMap(({ binding }) => [...(this.codeLists.expand(binding?.valueSet ?? '') ?? [])])
      .filter((code) => code.includes('|'));
    return codes.length > 0 ? new Set(codes) : undefined;
  }

  private entriesOf({ code: param, kind }: Indexed, { type, value }: TypedValue): IndexEntry[] {
    switch (kind) {
      case 'token':
        return tokens(type, value as unknown).map((token) => ({ param, ...token }));
      case 'reference':
        return this.references(param, value as unknown);
      case 'date':
        return spans(value as unknown).map(({ from, to }) => ({
          param,
          ...(Number.isFinite(from) ? { from } : {}),
          ...(Number.isFinite(to) ? { to } : {}),
        }));
      case 'string':
        return texts(value as unknown).map((text) => ({ param, text, value: normaliseText(text) }));
      case 'uri':
        return typeof value === 'string' ? [{ param, value }] : [];
    }
  }

  private references(param: string, value: unknown): IndexEntry[] {
    // canonical and uri references are plain strings
    if (typeof value === 'string') return [{ param, value: this.relative(value) }];
    const { reference, identifier } = (value ?? {}) as {
      reference?: string;
      identifier?: { system?: string; value?: string };
    };
    const entries: IndexEntry[] = [];
    if (reference && !reference.startsWith('#'))
      entries.push({ param, value: this.relative(reference).replace(/\/_history\/.*$/, '') });
    if (identifier?.value)
      entries.push({ param: `${param}:identifier`, ...token(identifier.system, identifier.value) });
    return entries;
  }

  private relative(reference: string): string {
    const base = this.bases.find((candidate) => reference.startsWith(`${candidate}/`));
    return base ? reference.slice(base.length + 1) : reference;
  }
}

function compile(resourceType: string, parameter: SearchParameter, expression: string): Indexed {
  const own = expression.replace(/^(Domain)?Resource\./, `${resourceType}.`);
  return {
    code: parameter.code,
    kind: parameter.type as SearchKind,
    targets: parameter.target ?? [],
    documentation: (parameter.description ?? '').split('\n', 1)[0]?.slice(0, 200) ?? '',
    url: parameter.url ?? '',
    expression: parseFhirPath(getExpressionForResourceType(resourceType, own) ?? own),
  };
}

const token = (system: string | undefined, value: string): { system?: string; value: string } => ({
  ...(system ? { system } : {}),
  value,
});

function tokens(type: string, value: unknown): { system?: string; value: string }[] {
  if (typeof value === 'string' || typeof value === 'boolean') return [{ value: String(value) }];
  if (typeof value !== 'object' || value === null) return [];
  const {
    system,
    code,
    value: text,
    coding,
  } = value as { system?: string; code?: string; value?: string; coding?: { system?: string; code?: string }[] };
  if (coding) return coding.flatMap((one) => (one.code ? [token(one.system, one.code)] : []));
  // Of a ContactPoint `system` says phone or email: R4 search, token, uses the value alone.
  if (type === 'ContactPoint') return text ? [{ value: text }] : [];
  if (code) return [token(system, code)];
  return text ? [token(system, text)] : [];
}

function spans(value: unknown): DateSpan[] {
  if (typeof value === 'string') return [dateSpan(value)].filter((span) => span !== undefined);
  if (typeof value !== 'object' || value === null) return [];
  const { start, end } = value as Period;
  if (start ?? end) {
    return [
      {
        from: dateSpan(start ?? '')?.from ?? Number.NEGATIVE_INFINITY,
        to: dateSpan(end ?? '')?.to ?? Number.POSITIVE_INFINITY,
      },
    ];
  }
  const { event, repeat } = value as Timing;
  const found = (event ?? []).flatMap((one) => spans(one));
  return repeat?.boundsPeriod ? [...found, ...spans(repeat.boundsPeriod)] : found;
}

/** Parts of HumanName and Address that string searches look into (R4 search, string). */
const textParts = [
  'text',
  'family',
  'given',
  'prefix',
  'suffix',
  'line',
  'city',
  'district',
  'state',
  'country',
  'postalCode',
] as const;

function texts(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return textParts
    .flatMap((part) => (value as Record<string, unknown>)[part] ?? [])
    .filter((text): text is string => typeof text === 'string' && text !== '');
}
