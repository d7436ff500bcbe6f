import { CallosumError } from '@callosum/kernel';
import { z } from 'zod';

/** A settings schema: one object whose keys are the environment variables themselves. */
export type SettingsSchema = z.ZodObject<z.ZodRawShape>;

/** Thrown when a setting is missing or wrong. Names the variable, never its value (it may be a secret). */
export class SettingsError extends CallosumError {
  constructor(readonly problems: readonly string[]) {
    super('config.invalid', 'invalid', `settings are not usable:\n  ${problems.join('\n  ')}`);
  }
}

/**
 * Reads a service's settings from the environment, once, at start. A variable set to nothing counts as not set.
 * @throws {SettingsError} naming every variable that is wrong
 */
export function parseSettings<S extends SettingsSchema>(schema: S, env: NodeJS.ProcessEnv): z.output<S> {
  const given = Object.fromEntries(
    Object.keys(schema.shape)
      .filter((name) => env[name] !== undefined && env[name] !== '')
      .map((name) => [name, env[name]]),
  );
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const problem = (issue: z.core.$ZodIssue): string => {
    const name = issue.path.join('.');
    return `${name}: ${name in given ? reason(issue) : 'is required'}`;
  };
  throw new SettingsError(parsed.error.issues.map(problem));
}

/** zod's messages of some kinds quote the value; those are put in our own words. */
function reason(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`;
    case 'invalid_type':
      return `must be a ${issue.expected}`;
    case 'invalid_format':
      return `is not a valid ${issue.format}`;
    case 'too_small':
      return `must be at least ${String(issue.minimum)}`;
    case 'too_big':
      return `must be at most ${String(issue.maximum)}`;
    case 'custom':
      return issue.message;
    default:
      return 'is not valid';
  }
}

/** Whole number in a range, written in decimal. */
export const wholeNumber = (min: number, max: number): z.ZodCoercedNumber => z.coerce.number().int().min(min).max(max);

/** A TCP port; 0 lets the system choose (tests). */
export const port = (): z.ZodCoercedNumber => wholeNumber(0, 65_535);

/** "true" or "false". */
export const flag = (): z.ZodPipe<
  z.ZodEnum<{ true: 'true'; false: 'false' }>,
  z.ZodTransform<boolean, 'true' | 'false'>
> => z.enum(['true', 'false']).transform((text) => text === 'true');

export interface SettingDoc {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
  readonly defaultValue?: string;
}

/** What docs/reference/settings.md is generated from. A default is said as one would write it in the environment. */
export function describeSettings(schema: SettingsSchema): SettingDoc[] {
  return Object.entries(schema.shape).map(([name, field]) => {
    const type = field as z.ZodType;
    const absent = type.safeParse(undefined);
    const written = writtenDefault(type) ?? (absent.success ? textOf(absent.data) : undefined);
    return {
      name,
      description: type.meta()?.description ?? '',
      required: !absent.success,
      ...(written ? { defaultValue: written } : {}),
    };
  });
}

/** The default text of a setting that is made into something else: what it is made into cannot be written back. */
function writtenDefault(type: z.core.$ZodType): string | undefined {
  const { def } = (type as z.core.$ZodTypes)._zod;
  if (def.type === 'default') return typeof def.defaultValue === 'string' ? def.defaultValue : undefined;
  if (def.type === 'pipe') return writtenDefault(def.in);
  return def.type === 'optional' ? writtenDefault(def.innerType) : undefined;
}

/** Lists of words with commas. */
function textOf(value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  const words = Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string');
  return words ? value.join(',') : JSON.stringify(value);
}
