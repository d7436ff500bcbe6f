import { setFlagsFromString } from 'node:v8';

/**
 * Lets the heap double between two collections of all of it. V8 counts the sockets' buffers in with the heap's old
 * objects, and where few objects are made it looks again after every tenth of growth: with 57 MiB of code and objects
 * that live as long as the process, a full collection (some 50 ms of a processor) for every 6 MB that a door takes in.
 */
const growthPercent = 100;

export function growHeapInSteps(): void {
  setFlagsFromString(`--heap-growing-percent=${growthPercent}`);
}
