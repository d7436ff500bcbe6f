import { topicByName } from '@callosum/contracts';

/** Dead letters are for people: a quarter of a year to look at them. */
export const dlqRetentionDays = 90;

/** Where parked facts of one group are mirrored for monitoring; replay works on the parked rows, not on this. */
export const dlqTopic = (topic: string, group: string): string => `${topic}.${group}.dlq`;

/** A dead-letter topic stands beside each catalogued topic for each service that consumes it, and for no other. */
export const hasDlq = (topic: string, group: string): boolean =>
  topicByName(topic)?.consumers.some((consumer) => consumer === group) ?? false;
