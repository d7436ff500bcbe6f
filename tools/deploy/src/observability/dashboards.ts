import { imaging } from './imaging.dashboard.js';
import { inference } from './inference.dashboard.js';
import { overview } from './overview.dashboard.js';
import { type Dashboard, dashboardJson } from './panels.js';
import { platform } from './platform.dashboard.js';

export const dashboards: readonly Dashboard[] = [overview, imaging, inference, platform];

/** deploy/grafana/dashboards, by path from the root. */
export const dashboardFiles = (): Readonly<Record<string, string>> =>
  Object.fromEntries(dashboards.map((one) => [`deploy/grafana/dashboards/${one.uid}.json`, dashboardJson(one)]));
