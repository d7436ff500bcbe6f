import type { Key } from './key-match.js';
import type { Condition } from './match.js';
import { timeOfDate } from './match-form.js';

/** Pairs of a date and a time of one item in the same form become one range of moments (PS3.4 C.2.2.2.5). */
export function combinedMoments(keys: readonly Key[]): Key[] {
  const byPath = new Map(keys.map((key) => [key.path.join('.'), key]));
  const taken = new Set<Key>();
  const moments = keys.flatMap((key): Key[] => {
    const timeTag = timeOfDate[key.path.at(-1) ?? ''];
    const time = timeTag === undefined ? undefined : byPath.get([...key.path.slice(0, -1), timeTag].join('.'));
    if (timeTag === undefined || key.condition.kind !== 'date' || time?.condition.kind !== 'time') return [];
    const [date, hours] = [key.condition, time.condition];
    if (date.form !== hours.form) return [];
    taken.add(key).add(time);
    const condition: Condition = {
      kind: 'moment',
      timeTag,
      form: date.form,
      ...(date.from !== undefined && hours.from !== undefined ? { from: date.from + hours.from } : {}),
      ...(date.to !== undefined && hours.to !== undefined ? { to: date.to + hours.to } : {}),
    };
    return [{ path: key.path, condition }];
  });
  return [...keys.filter((key) => !taken.has(key)), ...moments];
}
