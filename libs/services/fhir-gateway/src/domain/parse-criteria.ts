import {
  type Criteria,
  type DatePrefix,
  datePrefixes,
  type DateValue,
  type Filter,
  type ParameterDefinition,
  type Sort,
  type TokenValue,
} from './criteria.js';
import { badRequest, notSupported } from './fhir-error.js';
import { limits } from './limits.js';
import { dateSpan, normaliseText } from './search-value.js';

export interface ParseContext {
  /** Parameters that can be searched on a resource type, by code. */
  readonly parameters: (resourceType: string) => ReadonlyMap<string, ParameterDefinition>;
  /** Bases under which this server is known: absolute references under them are relative ones. */
  readonly bases: readonly string[];
}

/** Parameters that change the form of the answer, not what is found; JSON is all we speak, so these say nothing new. */
const ignored = new Set(['_format', '_pretty']);

/**
 * Parses a search query. Parameters that are not supported are refused, not ignored (R4 search, 3.1.1.3 leaves
 * the choice): a search for a patient that silently forgets a criterion would find the wrong one.
 * @throws {FhirError} 400; messages name the parameter, never its value
 */
export function parseCriteria(resourceType: string, query: URLSearchParams, context: ParseContext): Criteria {
  const parameters = context.parameters(resourceType);
  const filters: Filter[] = [];
  const controls = {
    sort: [] as Sort[],
    count: limits.searchCountDefault as number,
    offset: 0,
    total: true,
    countOnly: false,
  };
  for (const [name, value] of query) {
    if (ignored.has(name) || readControl(name, value, controls)) continue;
    if (value === '') continue; // R4 search: parameters without a value are ignored
    filters.push(parseFilter(name, value, parameters, context));
  }
  if (filters.length > limits.searchParametersMax)
    throw badRequest(`a search takes at most ${limits.searchParametersMax} parameters`);
  return { resourceType, filters, ...controls };
}

interface Controls {
  sort: Sort[];
  count: number;
  offset: number;
  total: boolean;
  countOnly: boolean;
}

function readControl(name: string, value: string, controls: Controls): boolean {
  switch (name) {
    case '_count':
      controls.count = Math.min(wholeNumber(name, value), limits.searchCountMax);
      if (controls.count === 0) controls.countOnly = true;
      return true;
    case '_offset':
      controls.offset = wholeNumber(name, value);
      if (controls.offset > limits.searchOffsetMax) throw badRequest(`_offset is limited to ${limits.searchOffsetMax}`);
      return true;
    case '_total':
      controls.total = value !== 'none';
      return true;
    case '_summary':
      if (value !== 'count' && value !== 'false') throw notSupported('_summary is supported with count only');
      controls.countOnly = value === 'count';
      return true;
    case '_sort':
      controls.sort = value.split(',').map(parseSort);
      return true;
    default:
      return false;
  }
}

function wholeNumber(name: string, value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw badRequest(`${name} must be a whole number`);
  return Number(value);
}

function parseSort(text: string): Sort {
  const by = text.replace(/^-/, '');
  if (by !== '_lastUpdated' && by !== '_id') throw notSupported('_sort is supported by _lastUpdated and _id');
  return { by, descending: text.startsWith('-') };
}

function parseFilter(
  name: string,
  value: string,
  parameters: ReadonlyMap<string, ParameterDefinition>,
  context: ParseContext,
): Filter {
  const [code = '', modifier] = name.split(':', 2);
  const parameter = parameters.get(code);
  // The name may hold anything a client mistyped: only names of the right form are repeated.
  if (!parameter)
    throw notSupported(
      /^[A-Za-z_][A-Za-z0-9._-]{0,63}$/.test(code)
        ? `the search parameter ${code} is not supported here`
        : 'a search parameter is not supported here',
    );
  if (modifier === 'missing') {
    if (value !== 'true' && value !== 'false') throw badRequest(`${code}:missing must be true or false`);
    return { kind: 'missing', param: code, missing: value === 'true' };
  }
  const values = splitUnescaped(value, ',');
  if (values.length > limits.searchValuesMax)
    throw badRequest(`${code} takes at most ${limits.searchValuesMax} alternatives`);
  return filterOfKind(parameter, modifier, values, context);
}

function filterOfKind(
  parameter: ParameterDefinition,
  modifier: string | undefined,
  values: readonly string[],
  context: ParseContext,
): Filter {
  const { code: param, kind } = parameter;
  const refuse = (): never => {
    throw notSupported(`the modifier of ${param} is not supported`);
  };
  switch (kind) {
    case 'token':
      if (modifier !== undefined && modifier !== 'not') return refuse();
      return {
        kind,
        param,
        not: modifier === 'not',
        values: values.map((value) => withImplicit(parseToken(value), parameter)),
      };
    case 'reference':
      if (modifier === 'identifier')
        return { kind: 'token', param: `${param}:identifier`, not: false, values: values.map(parseToken) };
      if (modifier !== undefined && !/^[A-Z][A-Za-z]+$/.test(modifier)) return refuse();
      return {
        kind,
        param,
        values: values.flatMap((value) => referenceForms(parameter, modifier, unescape(value), context)),
      };
    case 'date':
      if (modifier !== undefined) return refuse();
      return { kind, param, values: values.map((value) => parseDate(param, value)) };
    case 'string':
      if (modifier !== undefined && modifier !== 'exact' && modifier !== 'contains') return refuse();
      return {
        kind,
        param,
        match: modifier === 'exact' ? 'exact' : modifier === 'contains' ? 'contains' : 'starts',
        values: values.map((value) => (modifier === 'exact' ? unescape(value) : normaliseText(unescape(value)))),
      };
    case 'uri':
      if (modifier !== undefined) return refuse();
      return { kind, param, values: values.map(unescape) };
  }
}

/** `code`, `system|code`, `|code` (no system), `system|` (any code of it). */
function parseToken(text: string): TokenValue {
  const parts = splitUnescaped(text, '|');
  if (parts.length === 1) return { code: unescape(text) };
  const [system = '', ...rest] = parts;
  const code = unescape(rest.join('|'));
  return { system: unescape(system), ...(code === '' ? {} : { code }) };
}

/** R4 search, token: of an element of type `code` the system is given by its definition. */
function withImplicit(value: TokenValue, { implicitCodes }: ParameterDefinition): TokenValue {
  const { system, code } = value;
  if (!system || !implicitCodes) return value;
  const implicit =
    code === undefined
      ? [...implicitCodes].some((one) => one.startsWith(`${system}|`))
      : implicitCodes.has(`${system}|${code}`);
  return implicit ? { ...value, implicit } : value;
}

function parseDate(param: string, text: string): DateValue {
  const prefix = datePrefixes.find((candidate) => text.startsWith(candidate));
  const span = dateSpan(prefix ? text.slice(prefix.length) : text);
  if (!span) throw badRequest(`${param} needs a date`);
  return { prefix: (prefix ?? 'eq') satisfies DatePrefix, ...span };
}

/** The forms under which a reference may be indexed: "1" stands for each type the parameter can point to. */
function referenceForms(
  parameter: ParameterDefinition,
  type: string | undefined,
  value: string,
  { bases }: ParseContext,
): string[] {
  const base = bases.find((candidate) => value.startsWith(`${candidate}/`));
  const local = base ? value.slice(base.length + 1) : value;
  if (local.includes('/') || local.startsWith('urn:')) return [local.replace(/\/_history\/.*$/, '')];
  return type ? [`${type}/${local}`] : parameter.targets.map((target) => `${target}/${local}`);
}

/** Splits on a separator that is not escaped; escapes stay for `unescape`. */
function splitUnescaped(text: string, separator: string): string[] {
  const parts: string[] = [];
  let current = '';
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index);
    if (character === '\\') {
      current += character + text.charAt(index + 1);
      index += 1;
    } else if (character === separator) {
      parts.push(current);
      current = '';
    } else current += character;
  }
  return [...parts, current];
}

const unescape = (text: string): string => text.replace(/\\(.)/gs, '$1');
