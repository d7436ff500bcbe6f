import { setFlagsFromString } from 'node:v8';

/**
 * Lets the heap double between two collections of all of it. V8 counts the sockets' buffers in with the heap's old
 * objects, and where few objects are made it looks again after every tenth of growth: with 57 MiB of code and objects
 * that live as long as the process, a full collection (some 50 ms of a processor) for every 6 MB that a door takes in.
 */
const growthPercent = 100;

/**
 * Young objects are collected by the thread that makes them: waking others for a room of a few megabytes takes longer
 * than the collection. How large that room is can only be said when Node starts (`--max-semi-space-size`, which the
 * chart sets for dimse-ingest): the smaller, the sooner sockets' buffers that nobody reads any more are given back.
 */
export function growHeapInSteps(): void {
  setFlagsFromString(`--heap-growing-percent=${growthPercent}`);
  setFlagsFromString('--no-parallel-scavenge');
}
