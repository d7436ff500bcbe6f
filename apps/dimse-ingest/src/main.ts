import { dimseIngest } from '@callosum/dimse-ingest-service';
import { runService } from '@callosum/runtime';

await runService(dimseIngest);
