import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root of the repository: this file lies in tools/deploy/src or tools/deploy/dist. */
export const repositoryRoot = join(fileURLToPath(new URL('.', import.meta.url)), '../../..');
