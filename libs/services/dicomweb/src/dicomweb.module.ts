import { Module } from '@nestjs/common';

import { doorControllers, doorProviders } from './door.providers.js';
import { renderingControllers, renderingProviders } from './rendering.providers.js';
import { retrieveControllers, retrieveProviders } from './retrieve.providers.js';
import { searchControllers, searchProviders } from './search.providers.js';
import { storeControllers, storeProviders } from './store.providers.js';

@Module({
  controllers: [
    ...storeControllers,
    ...searchControllers,
    ...retrieveControllers,
    ...renderingControllers,
    ...doorControllers,
  ],
  providers: [...storeProviders, ...searchProviders, ...retrieveProviders, ...renderingProviders, ...doorProviders],
})
export class DicomwebModule {}
