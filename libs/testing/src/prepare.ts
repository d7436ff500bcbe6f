import { dockerIsUsable } from './docker.js';
import { kafkaClasspath } from './kafka.js';
import { versitygw } from './s3.js';

/**
 * Fetches what the servers of the suites are made of where it is not here yet, so that no suite waits for it. What
 * cannot be had is not told here: the suite that needs it says what is missing and how to get it.
 */
export async function prepareServers(): Promise<void> {
  const kafka = async (): Promise<void> => {
    if (!(await dockerIsUsable())) await kafkaClasspath();
  };
  await Promise.allSettled([kafka(), versitygw()]);
}
