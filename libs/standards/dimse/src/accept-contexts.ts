import type { LibraryAssociation, LibraryPresentationContext } from './library.js';
import { chooseTransferSyntax, ContextResult, isStorageSopClass, verificationSopClassUid } from './negotiation.js';

/** Accepts what we store, in the syntax it comes in; no asynchronous operations: the library answers one at a time. */
export function acceptContexts(association: LibraryAssociation): void {
  association.setNegotiateAsyncOps(false);
  for (const { context } of association.getPresentationContexts() as { context: LibraryPresentationContext }[]) {
    const abstractSyntax = context.getAbstractSyntaxUid();
    const chosen = chooseTransferSyntax(context.getTransferSyntaxUids());
    // Where roles are proposed we stay the provider.
    if (context.getProviderRole() !== undefined) context.setProviderRole(false);
    if (abstractSyntax !== verificationSopClassUid && !isStorageSopClass(abstractSyntax)) {
      context.setResult(ContextResult.AbstractSyntaxNotSupported);
    } else if (chosen === undefined) context.setResult(ContextResult.TransferSyntaxesNotSupported);
    else context.setResult(ContextResult.Acceptance, chosen);
  }
}
