import { studyIndex } from '@callosum/study-index-service';
import { runService } from '@callosum/runtime';

await runService(studyIndex);
