import { buffer } from 'node:stream/consumers';

import { createScpServer, type ScpServer, type StoreRequest } from '@callosum/dimse';

export interface TakenObject {
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
  readonly bytes: Buffer;
}

/** A node that takes objects, as far as `answer` lets it. */
export class TestDestination {
  readonly taken: TakenObject[] = [];
  associations = 0;
  /** Of these. */
  open = 0;

  private constructor(readonly server: ScpServer) {}

  static async start(
    options: {
      readonly port?: number;
      readonly answer?: (request: StoreRequest) => Promise<number> | number;
      /** Takes these only. */
      readonly transferSyntaxUids?: readonly string[];
    } = {},
  ): Promise<TestDestination> {
    let made: TestDestination | undefined = undefined as TestDestination | undefined;
    const { port = 0, answer = () => 0, transferSyntaxUids } = options;
    const store = async (request: StoreRequest) => {
      const bytes = await buffer(request.dataset);
      const status = await answer(request);
      const { sopInstanceUid, transferSyntaxUid } = request;
      if (status === 0) made?.taken.push({ sopInstanceUid, transferSyntaxUid, bytes });
      return { status };
    };
    const server = await createScpServer({
      host: '127.0.0.1',
      port,
      onAssociation: () => {
        if (made) made.associations++;
        if (made) made.open++;
        return {
          handler: { store, ended: () => void (made && made.open--) },
          ...(transferSyntaxUids
            ? {
                policy: {
                  accept: ({ transferSyntaxUids: proposed }) => ({
                    transferSyntaxUid: proposed.find((uid) => transferSyntaxUids.includes(uid)),
                    storage: true,
                  }),
                },
              }
            : {}),
        };
      },
      onError: () => undefined,
    });
    made = new TestDestination(server);
    return made;
  }

  get port(): number {
    return this.server.port;
  }

  get uids(): string[] {
    return this.taken.map(({ sopInstanceUid }) => sopInstanceUid);
  }

  close(): Promise<void> {
    return this.server.close(0);
  }
}
