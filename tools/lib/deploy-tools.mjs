// What the tests of the chart need that npm does not bring: Helm, kubeconform, promtool and the schemas they check against.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './setup.mjs';

const shared = join(root, '..', 'shared');

/** What cannot be had here, each with how to get it. Empty where the tests can run; in CI they always do. */
export function missingDeployTools() {
  const has = (command) => spawnSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' }).status === 0;
  const go = has('go');
  const promtool = existsSync(join(root, '.tools', 'promtool')) || (has('apt-get') && has('dpkg-deb'));
  const programs = ['helm', 'kubeconform'].filter(
    (name) =>
      !go && ![join(root, '.tools', name), join(shared, 'tools', `${name}.gz`)].some((path) => existsSync(path)),
  );
  return [
    ...programs.map((name) => `${name}: install Go, or put the program into .tools/`),
    ...(promtool ? [] : ['promtool: put the program of Prometheus into .tools/']),
    ...(existsSync(join(shared, 'k8s-schemas'))
      ? []
      : ['../shared/k8s-schemas: the schemas of Kubernetes and the CRDs']),
  ];
}
