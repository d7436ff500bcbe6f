/** Consumer group and service name. */
export const group = 'study-index';
/** `ArchiveSource`: blobs by range, and what is current. */
export const BLOBS = Symbol('study-index.blobs');
/** `QuietPeriods` of the settings. */
export const QUIET_PERIODS = Symbol('study-index.quiet-periods');
/** `FactStore`. */
export const FACTS = Symbol('study-index.facts');
/** `CompletionStore`. */
export const COMPLETION = Symbol('study-index.completion');
/** `StatedLimits` of the settings. */
export const STATED_LIMITS = Symbol('study-index.stated-limits');
