import type { OperationRequest, RequestHandler } from '@callosum/dimse';

type Slowed = Required<Omit<RequestHandler, 'echoed' | 'refused'>>;

/** The same handler, each request of which waits for its turn first. A C-ECHO is answered before anyone is asked. */
export function slowed(handler: Slowed, turn: (request: OperationRequest) => Promise<void>): Slowed {
  const one =
    <R extends OperationRequest, T>(work: (request: R) => Promise<T>) =>
    async (request: R): Promise<T> => {
      await turn(request);
      return work(request);
    };
  return {
    store: one((request) => handler.store(request)),
    nEventReport: one((request) => handler.nEventReport(request)),
    nGet: one((request) => handler.nGet(request)),
    nSet: one((request) => handler.nSet(request)),
    nAction: one((request) => handler.nAction(request)),
    nCreate: one((request) => handler.nCreate(request)),
    nDelete: one((request) => handler.nDelete(request)),
    async *find(request) {
      await turn(request);
      return yield* handler.find(request);
    },
    async *move(request) {
      await turn(request);
      return yield* handler.move(request);
    },
    async *get(request, sender) {
      await turn(request);
      return yield* handler.get(request, sender);
    },
  };
}
