import { dicomweb } from '@callosum/dicomweb-service';
import { runService } from '@callosum/runtime';

await runService(dicomweb);
