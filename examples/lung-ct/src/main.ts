import {
  CredentialRefusedError,
  readWorkerSettings,
  RegistrationRefusedError,
  runWorker,
  startWorkerTelemetry,
} from '@callosum/worker-sdk';
import { handleJob } from './handle-job.js';
import { manifest } from './manifest.js';

const telemetry = startWorkerTelemetry({ serviceName: 'lung-ct', serviceVersion: manifest.model.version });
const running = runWorker({
  target: readWorkerSettings().CALLOSUM_WORKER_TARGET,
  manifest,
  handle: (job) => handleJob(job),
});
try {
  await running.stopped;
} catch (error) {
  if (!(error instanceof RegistrationRefusedError || error instanceof CredentialRefusedError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
} finally {
  await telemetry.shutdown();
}
