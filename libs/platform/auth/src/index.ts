export * from './authenticator.js';
export * from './errors.js';
export type { KeyTimes } from './oidc/provider-keys.js';
export * from './grpc/client.js';
export * from './grpc/methods.js';
export {
  authorizeGrpc,
  internalBindProtected,
  internalServerCredentials,
  isUnixSocket,
  peerInterceptor,
  type PrincipalContext,
} from './grpc/server.js';
export * from './http/authorize.js';
export * from './http/denial.js';
export * from './http/routes.js';
export { anonymous, type Principal, principalOf, setPrincipal } from './principal.js';
export * from './roles.js';
export * from './certificate-files.js';
export * from './tls-files.js';
export { type AuthSettings, authSettings, oidcConfig, type TlsFiles } from './settings.js';
