import { parseSettings } from '@callosum/config';
import { errorMessage } from '@callosum/kernel';

import type { ServiceDefinition } from './definition.js';
import { endOnUnhandledRejection, openProcess } from './open-process.js';
import { assertPortsUsable, platformPorts } from './ports.js';
import { platformSettings } from './settings.js';
import { startService } from './start-service.js';

/**
 * The `main` of every service that runs alone: settings from the environment, one HTTP port with its routes, probes
 * and metrics, and a drain on SIGTERM. Ends the process with 1 when it cannot start.
 */
export async function runService(definition: ServiceDefinition): Promise<void> {
  endOnUnhandledRejection(definition.name);
  try {
    await start(definition);
  } catch (error) {
    process.stderr.write(`${definition.name}: ${errorMessage(error)}\n`);
    process.exit(1);
  }
}

async function start(definition: ServiceDefinition): Promise<void> {
  const settings = parseSettings(platformSettings, process.env);
  const own = parseSettings(definition.settings, process.env);
  await assertPortsUsable([...platformPorts(settings), ...(definition.listensOn?.(own) ?? [])]);
  const { logger, drain, services, httpPort } = await openProcess({
    name: definition.name,
    serviceName: `callosum-${definition.name}`,
    settings,
    writesFiles: definition.receivesObjects === true && settings.CALLOSUM_OBJECT_STORE === 'files',
    started: (running) => running.length > 0,
  });
  services.push(await startService(definition, process.env, drain));
  logger.info({ httpPort }, 'ready');
}
