/** A presentation context both sides accepted. */
export interface AcceptedContext {
  readonly id: number;
  readonly abstractSyntaxUid: string;
  readonly transferSyntaxUid: string;
  /** What we are for this SOP class: by role selection, or the requestor SCU and the acceptor SCP. */
  readonly weAre: { readonly scu: boolean; readonly scp: boolean };
  /** Its SOP class is of objects to be stored: C-STORE may be used on it. */
  readonly storage: boolean;
}

export class AcceptedContexts {
  readonly #byId: ReadonlyMap<number, AcceptedContext>;

  constructor(contexts: readonly AcceptedContext[]) {
    this.#byId = new Map(contexts.map((context) => [context.id, context]));
  }

  get all(): AcceptedContext[] {
    return [...this.#byId.values()];
  }

  byId(id: number): AcceptedContext | undefined {
    return this.#byId.get(id);
  }

  /** Contexts of one abstract syntax, in the order of their ids. */
  of(abstractSyntaxUid: string): AcceptedContext[] {
    return this.all.filter((context) => context.abstractSyntaxUid === abstractSyntaxUid);
  }
}
