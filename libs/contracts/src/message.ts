import type { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';

/** What the generated code offers for each message. */
export interface MessageFns<M> {
  encode(message: M, writer?: BinaryWriter): BinaryWriter;
  decode(input: BinaryReader | Uint8Array, length?: number): M;
  /** ProtoJSON in. */
  fromJSON(object: unknown): M;
  /** ProtoJSON out. */
  toJSON(message: M): unknown;
}
