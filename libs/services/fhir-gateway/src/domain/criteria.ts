import type { SearchKind } from './search-value.js';

export const datePrefixes = ['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap'] as const;
export type DatePrefix = (typeof datePrefixes)[number];

/** What a value of a token parameter asks for: `system` absent = any; '' = none. `code` absent = any. */
export interface TokenValue {
  readonly system?: string;
  readonly code?: string;
  /** The system is that of elements of type `code`, which do not write it down: values without a system match too. */
  readonly implicit?: boolean;
}
export interface DateValue {
  readonly prefix: DatePrefix;
  readonly from: number;
  readonly to: number;
}

/** One parameter of a search. The values of one filter are or-ed, filters are and-ed. */
export type Filter =
  | { readonly kind: 'token'; readonly param: string; readonly not: boolean; readonly values: readonly TokenValue[] }
  | { readonly kind: 'reference' | 'uri'; readonly param: string; readonly values: readonly string[] }
  | { readonly kind: 'date'; readonly param: string; readonly values: readonly DateValue[] }
  | {
      readonly kind: 'string';
      readonly param: string;
      readonly match: 'starts' | 'contains' | 'exact';
      readonly values: readonly string[];
    }
  | { readonly kind: 'missing'; readonly param: string; readonly missing: boolean };

export interface Sort {
  readonly by: '_lastUpdated' | '_id';
  readonly descending: boolean;
}

/** A parsed search of one resource type. */
export interface Criteria {
  readonly resourceType: string;
  readonly filters: readonly Filter[];
  readonly sort: readonly Sort[];
  readonly count: number;
  readonly offset: number;
  readonly total: boolean;
  /** `_summary=count`: only the total is wanted. */
  readonly countOnly: boolean;
}

/** What is known of a search parameter. */
export interface ParameterDefinition {
  readonly code: string;
  readonly kind: SearchKind;
  /** Types a reference may point to; empty for any. */
  readonly targets: readonly string[];
  readonly documentation: string;
  readonly url: string;
  /** "system|code" of what the elements of type `code` may hold, by their required binding. */
  readonly implicitCodes?: ReadonlySet<string>;
}
