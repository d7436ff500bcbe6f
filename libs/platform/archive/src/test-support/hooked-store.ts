import { FileObjectStore, type ObjectInfo } from '@callosum/object-store';

type Hook = (() => Promise<unknown>) | undefined;

/** Does what others do at that moment, once, and fails where a disk would. */
export class HookedStore extends FileObjectStore {
  /** Before the mark of a tombstone is written. */
  beforeMark: Hook;
  /** Before the mark of a revision is written: an object was judged, and has no row. */
  beforeRevision: Hook;
  /** After it was found that a blob is there. */
  afterHead: Hook;
  failsToDelete: (key: string) => boolean = () => false;
  /** Keys listed so far. */
  listed = 0;

  reset(): void {
    this.beforeMark = this.beforeRevision = this.afterHead = undefined;
    this.failsToDelete = () => false;
  }

  override async put(...written: Parameters<FileObjectStore['put']>) {
    const [key] = written;
    if (key.includes('/tombstones/')) await this.#once('beforeMark');
    if (key.includes('/revisions/')) await this.#once('beforeRevision');
    return super.put(...written);
  }

  override async head(key: string) {
    const info = await super.head(key);
    await this.#once('afterHead');
    return info;
  }

  override async *list(...asked: Parameters<FileObjectStore['list']>): AsyncIterable<ObjectInfo> {
    for await (const info of super.list(...asked)) {
      this.listed++;
      yield info;
    }
  }

  override async delete(key: string): Promise<void> {
    if (this.failsToDelete(key)) throw new Error('the disk does not delete');
    await super.delete(key);
  }

  async #once(name: 'beforeMark' | 'beforeRevision' | 'afterHead'): Promise<void> {
    const hook = this[name];
    this[name] = undefined;
    await hook?.();
  }
}
