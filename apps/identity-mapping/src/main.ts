import { identityMapping } from '@callosum/identity-mapping-service';
import { runService } from '@callosum/runtime';

await runService(identityMapping);
