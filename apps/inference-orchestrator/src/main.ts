import { inferenceOrchestrator } from '@callosum/inference-orchestrator-service';
import { runService } from '@callosum/runtime';

await runService(inferenceOrchestrator);
