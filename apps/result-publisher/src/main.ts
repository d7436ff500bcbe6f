import { resultPublisher } from '@callosum/result-publisher-service';
import { runService } from '@callosum/runtime';

await runService(resultPublisher);
