/** Limits of the FHIR endpoint; each number with its reason. */
export const limits = Object.freeze({
  /** A whole Synthea history is 2 to 10 MB; a report with its measurements is below 1 MB. */
  bodyBytesMax: 32 * 1024 * 1024,
  /** Of all requests together, read and worked on: parsed they take five times as much, and a pod has some 600 MiB. */
  bodyBytesHeldMax: 64 * 1024 * 1024,
  /** The deepest R4 example nests 14 levels; recursion over 64 is safe on any stack. */
  jsonDepthMax: 64,
  /** One entry costs 1 to 5 ms in one database transaction: 5,000 stay under the 30 s an idle-free transaction may take. */
  bundleEntriesMax: 5_000,
  /** Page size when a search asks for none. */
  searchCountDefault: 50,
  /** A page of 1,000 resources is about 10 MB. */
  searchCountMax: 1_000,
  /** Offsets scan what they skip; a client this deep wants `_lastUpdated` windows instead. */
  searchOffsetMax: 100_000,
  /** Each parameter is one more join. */
  searchParametersMax: 20,
  /** Alternatives ("," in a value) of one parameter. */
  searchValuesMax: 100,
  /** Characters of one query string; identifiers and dates need a tenth. */
  queryCharsMax: 16_384,
  /** Versions in one history page. */
  historyCountMax: 1_000,
} as const);
