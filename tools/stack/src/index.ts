export { Cluster, type ClusterAddresses, type ClusterOptions } from './cluster/cluster.js';
export { type Child, type ChildOptions, root, startChild } from './cluster/process.js';
export { waitReady, watchChildren } from './cluster/readiness.js';
export type { FaultCounts } from './chaos/fault-plan.js';
export { faultsOf, killTest } from './chaos/main.js';
export { type ChaosOptions, type ChaosReport, runChaos } from './chaos/run-chaos.js';
export { runUpgrade, type UpgradeOptions, type UpgradeReport } from './upgrade/run-upgrade.js';
export { benchPipeline } from './bench/bench-pipeline.js';
