import { type DynamicModule, Module, type Provider } from '@nestjs/common';

/** Gives every module of a service what the runtime opened for it. */
@Module({})
export class PlatformModule {
  static with(root: DynamicModule['module'], values: ReadonlyMap<symbol, unknown>): DynamicModule {
    const providers: Provider[] = [...values].map(([provide, useValue]) => ({ provide, useValue }));
    return { module: PlatformModule, global: true, imports: [root], providers, exports: providers };
  }
}
