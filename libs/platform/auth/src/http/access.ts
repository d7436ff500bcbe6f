import type { Role } from '../roles.js';

/** `public`: no token is needed. Otherwise any one of the roles. */
export type Access = 'public' | readonly Role[];
export type Rule = Access | ((method: string, path: string) => Access);
/** By method and template. */
export type Rules = Readonly<Record<string, Rule>>;
