// A member of a consumer group in a process of its own: says which event it got, and never ends handling it.
// The contract suite kills it there.
import { openLog, type LogTarget } from './logs.js';

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const setting = (name: string): string => {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
};

const target = JSON.parse(setting('CRASH_TARGET')) as LogTarget;
const { log } = openLog(target, (error) => say(String(error)));
await log.subscribe({
  group: setting('CRASH_GROUP'),
  topics: [setting('CRASH_TOPIC')],
  from: 'earliest',
  onCrash: (error) => say(String(error)),
  handler: (event) => {
    if (!event.key.startsWith(setting('CRASH_PREFIX'))) return Promise.resolve();
    say(`handling ${event.id}`);
    return new Promise(() => undefined);
  },
});
say('subscribed');
