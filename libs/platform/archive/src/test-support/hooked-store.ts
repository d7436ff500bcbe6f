import { FileObjectStore } from '@callosum/object-store';

/** Does what others do at that moment, and fails where a disk would. */
export class HookedStore extends FileObjectStore {
  beforeMark: (() => Promise<unknown>) | undefined;
  failsToDelete: (key: string) => boolean = () => false;

  override async put(key: string, source: AsyncIterable<Uint8Array>) {
    const before = key.includes('/tombstones/') ? this.beforeMark : undefined;
    if (before) {
      this.beforeMark = undefined;
      await before();
    }
    return super.put(key, source);
  }

  override async delete(key: string): Promise<void> {
    if (this.failsToDelete(key)) throw new Error('the disk does not delete');
    await super.delete(key);
  }
}
