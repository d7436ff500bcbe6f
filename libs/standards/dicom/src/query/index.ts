export { foldText } from './fold-text.js';
export { itemsOf, type Key as QueryKey, matchesKeys } from './key-match.js';
export { type Condition as QueryCondition, readMatch, type ReadMatchOptions, uidListMax } from './match.js';
export { formOf, type MatchForm, timeOfDate } from './match-form.js';
export { matchesName, type NamePattern } from './match-name.js';
export { dateKey, type Range as MatchRange, timeKey } from './match-time.js';
export { combinedMoments } from './moments.js';
export { matchesWildcard } from './wildcard.js';
export { inTagOrder, keysInItems, partOf, type Wanted, wantedOf } from './part.js';
