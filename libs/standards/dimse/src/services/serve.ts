import { echoAnswers } from '../answers.js';
import type { IncomingRequest } from '../exchange/incoming-request.js';
import { CommandField } from '../messages/command-set.js';
import { serveFind } from './serve-find.js';
import { serveNormalized } from './serve-normalized.js';
import { serveGet, serveMove } from './serve-retrieve.js';
import { serveStore } from './serve-store.js';
import type { Serving } from './serving.js';

/** Serves one request to its last response, by the service its command names (PS3.7 chapters 9 and 10). */
export async function serve(request: IncomingRequest, serving: Serving): Promise<void> {
  const { exchange, handler } = serving;
  switch (request.command.commandField) {
    case CommandField.CEchoRq:
      await exchange.respond(request, { status: echoAnswers.echoed.status });
      handler.echoed?.();
      return;
    case CommandField.CStoreRq:
      return serveStore(request, serving);
    case CommandField.CFindRq:
      return serveFind(request, serving);
    case CommandField.CMoveRq:
      return serveMove(request, serving);
    case CommandField.CGetRq:
      return serveGet(request, serving);
    default:
      return serveNormalized(request, serving);
  }
}
