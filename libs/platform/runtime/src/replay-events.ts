import type { ReplayerEvents } from '@callosum/event-log';
import type { Logger } from '@callosum/telemetry';

/** A fact that is no longer tried by itself is told of like one that parks. */
export function replayEvents(logger: Logger): ReplayerEvents {
  return {
    onReplayed: ({ topic, key }, { replayed, left, errorCode: code, retried = false }) => {
      if (code === undefined || retried) logger.info({ topic, key, replayed, left, code }, 'parked.retried');
      else logger.error({ topic, key, replayed, left, code }, 'parked.needs-person');
    },
    onReplayError: (err) => logger.warn({ err }, 'parked.retry-failed'),
  };
}
