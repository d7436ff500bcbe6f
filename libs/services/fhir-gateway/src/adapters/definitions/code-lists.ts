import type { Bundle, Resource } from '@callosum/fhir';
import type { CodeSystem, CodeSystemConcept, ValueSet, ValueSetComposeInclude } from '@medplum/fhirtypes';

/** Codes a value set holds: "system|code" and, for elements of type code, "code". */
export type CodeList = ReadonlySet<string>;

/**
 * Expands the value sets of the R4 definitions. Only sets that list their codes or take whole code systems known
 * here can be expanded; of any other (UCUM, BCP 47, MIME types, a filter) nothing is said rather than something wrong.
 */
export class CodeLists {
  private readonly codeSystems = new Map<string, CodeSystem>();
  private readonly valueSets = new Map<string, ValueSet>();
  private readonly expanded = new Map<string, CodeList | undefined>();

  constructor(bundles: readonly Bundle[]) {
    for (const resource of bundles.flatMap(({ entry }) => entry ?? []).map((entry) => entry.resource as Resource)) {
      if (resource.resourceType === 'CodeSystem' && resource.url) this.codeSystems.set(resource.url, resource);
      if (resource.resourceType === 'ValueSet' && resource.url) this.valueSets.set(resource.url, resource);
    }
  }

  /** Drops what was loaded but is needed by none of `urls`: the terminology files are 20 MB. */
  keepOnly(urls: Iterable<string>): void {
    for (const url of urls) this.expand(url);
    this.codeSystems.clear();
    this.valueSets.clear();
  }

  /** Undefined when the set is unknown or cannot be expanded. `url` may carry "|version". */
  expand(url: string): CodeList | undefined {
    const key = url.split('|', 1)[0] ?? url;
    if (!this.expanded.has(key)) {
      // Set first: value sets that include each other must not recurse for ever.
      this.expanded.set(key, undefined);
      this.expanded.set(key, this.build(key));
    }
    return this.expanded.get(key);
  }

  private build(url: string): CodeList | undefined {
    const { include, exclude } = this.valueSets.get(url)?.compose ?? {};
    if (!include || exclude) return undefined;
    const codes = new Set<string>();
    for (const part of include) {
      const found = this.included(part);
      if (!found) return undefined;
      for (const code of found) codes.add(code);
    }
    return codes;
  }

  private included(part: ValueSetComposeInclude): CodeList | undefined {
    if (part.filter) return undefined;
    if (part.valueSet) {
      if (part.system || part.valueSet.length !== 1) return undefined;
      return this.expand(part.valueSet[0] ?? '');
    }
    const system = part.system ?? '';
    if (part.concept) return new Set(part.concept.flatMap(({ code }) => [code ?? '', `${system}|${code}`]));
    const codeSystem = this.codeSystems.get(system);
    if (codeSystem?.content !== 'complete') return undefined;
    return new Set([...conceptCodes(codeSystem.concept ?? [])].flatMap((code) => [code, `${system}|${code}`]));
  }
}

function* conceptCodes(concepts: readonly CodeSystemConcept[]): Generator<string> {
  for (const { code, concept } of concepts) {
    if (code) yield code;
    yield* conceptCodes(concept ?? []);
  }
}
