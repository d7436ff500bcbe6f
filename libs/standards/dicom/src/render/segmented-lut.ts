import { DicomRenderError } from './errors.js';
import { wordsOf, type LutDescriptor } from './lookup-table.js';

type Entries = Uint8Array | Uint16Array;

const discrete = 0;
const linear = 1;
const indirect = 2;

/**
 * Entries of segmented palette data (PS3.3 C.7.9.2): runs of entries, straight lines from the last entry, and copies of
 * segments that came before. Its opcodes, lengths and values are words, of entries of 8 bits bytes.
 * Thrown when the segments make another number of entries than stated, or break a rule: DicomRenderError.
 */
export function expandSegments(bytes: Uint8Array, { entryCount, bits }: LutDescriptor): Entries {
  const isWide = bits > 8;
  const codes = isWide ? wordsOf(bytes, Math.floor(bytes.length / 2)) : bytes;
  const expander = new Expander(codes, isWide ? new Uint16Array(entryCount) : new Uint8Array(entryCount));
  return expander.run();
}

class Expander {
  #at = 0;
  #count = 0;

  constructor(
    private readonly codes: Entries,
    private readonly out: Entries,
  ) {}

  run(): Entries {
    // What is behind the last entry pads the value to an even length.
    while (this.#count < this.out.length) this.#segment(false);
    return this.out;
  }

  #segment(isCopied: boolean): void {
    const opcode = this.#next();
    const length = this.#next();
    // So there are no more segments, copied ones too, than entries.
    if (length === 0) throw broken('A segmented palette has an empty segment');
    if (opcode === discrete) {
      for (let i = 0; i < length; i++) this.#add(this.#next());
    } else if (opcode === linear) this.#line(length);
    // Without this rule of C.7.9.2.3 a few bytes could go round for ever.
    else if (opcode === indirect && !isCopied) this.#copy(length);
    else throw broken('A segmented palette has a segment of no known type, or one that copies a copy');
  }

  #line(length: number): void {
    const from = this.out[this.#count - 1];
    if (from === undefined) throw broken('A segmented palette begins with a line, which needs an entry before it');
    const to = this.#next();
    for (let i = 1; i <= length; i++) this.#add(Math.round(from + ((to - from) * i) / length));
  }

  #copy(segments: number): void {
    const isWide = this.codes instanceof Uint16Array;
    // The offset counts bytes: its lower 16 bits stand before its upper ones.
    const parts = Array.from({ length: isWide ? 2 : 4 }, () => this.#next());
    const offset = parts.reduceRight((sum, part) => sum * (isWide ? 0x10000 : 0x100) + part, 0);
    const back = this.#at;
    this.#at = isWide ? offset / 2 : offset;
    if (!Number.isInteger(this.#at)) throw broken('A segmented palette points between two words');
    for (let i = 0; i < segments; i++) this.#segment(true);
    this.#at = back;
  }

  #next(): number {
    const code = this.codes[this.#at++];
    if (code === undefined) throw broken('A segmented palette ends before all its entries are there');
    return code;
  }

  #add(entry: number): void {
    if (this.#count >= this.out.length) throw broken('A segmented palette has more entries than its descriptor states');
    this.out[this.#count++] = entry;
  }
}

const broken = (message: string): DicomRenderError => new DicomRenderError('broken', message);
