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
/** `ArchiveTombstones`: what the archive hides and lets go. */
export const TOMBSTONES = Symbol('study-index.tombstones');
/** `ObeyNote`: takes up a rejection note. */
export const OBEY_NOTE = Symbol('study-index.obey-note');
/** `AwaitedRejections`: what notes name before it came. */
export const AWAITED_REJECTIONS = Symbol('study-index.awaited-rejections');
/** `JudgeRejected`: looks at what came hidden. */
export const JUDGE_REJECTED = Symbol('study-index.judge-rejected');
/** `RetentionStore`. */
export const RETENTION = Symbol('study-index.retention');
/** `StatedLimits` of the settings. */
export const STATED_LIMITS = Symbol('study-index.stated-limits');
/** `HeaderMemory` of all facts and of a rebuild. */
export const HEADER_MEMORY = Symbol('study-index.header-memory');
/** `StudyTexts`: what parts of names and numbers are looked for in. */
export const STUDY_TEXTS = Symbol('study-index.study-texts');
