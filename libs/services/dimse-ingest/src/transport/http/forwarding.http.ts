import { anonymous, type Principal } from '@callosum/auth';
import { CallerPrincipal, LOGGER } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Put, Query } from '@nestjs/common';
import { z } from 'zod';

import type { ForwardingRules, ForwardQueue, QueueState } from '../../application/forwarding-ports.js';
import { UnknownForwardingRuleError } from '../../domain/forwarding-errors.js';
import { forwardingRuleInput } from '../../settings-forwarding.js';
import { FORWARD_QUEUE, FORWARDING_RULES } from '../../tokens.js';
import { aeTitle, parsed } from './request.js';

/** Which of the failed instances are tried again: all, or those that failed with this code. */
const retryRequest = z.strictObject({
  code: z
    .string()
    .max(100)
    .regex(/^[A-Za-z0-9.-]+$/)
    .optional(),
});
const dropRequest = z.object({ state: z.enum(['waiting', 'failed']) });

/** /api/dimse/forwarding-rules and /api/dimse/queues: what is sent on to whom, and how that stands. Nothing of a patient. */
@Controller('/api/dimse')
export class ForwardingHttp {
  constructor(
    @Inject(FORWARDING_RULES) private readonly rules: ForwardingRules,
    @Inject(FORWARD_QUEUE) private readonly queue: ForwardQueue,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  @Get('forwarding-rules')
  async all() {
    return { rules: await this.rules.all() };
  }

  @Get('forwarding-rules/:id')
  async one(@Param('id') id: string) {
    const rule = (await this.rules.all()).find((known) => known.id === id);
    if (!rule) throw new UnknownForwardingRuleError();
    return rule;
  }

  /** What is stored from now on is sent on by it; what is here already is not. */
  @Post('forwarding-rules')
  async create(@Body() body: unknown, @CallerPrincipal() { subject }: Principal = anonymous) {
    const rule = await this.rules.create(parsed(forwardingRuleInput, body ?? {}));
    this.log.info({ rule: rule.id, aet: rule.destination, by: subject }, 'forward.rule-changed');
    return rule;
  }

  @Put('forwarding-rules/:id')
  async replace(@Param('id') id: string, @Body() body: unknown, @CallerPrincipal() { subject }: Principal = anonymous) {
    const rule = await this.rules.replace(id, parsed(forwardingRuleInput, body ?? {}));
    this.log.info({ rule: rule.id, aet: rule.destination, by: subject }, 'forward.rule-changed');
    return rule;
  }

  /** What waits by it is still sent. */
  @Delete('forwarding-rules/:id')
  @HttpCode(204)
  async remove(@Param('id') id: string, @CallerPrincipal() { subject }: Principal = anonymous) {
    await this.rules.remove(id);
    this.log.info({ rule: id, by: subject }, 'forward.rule-changed');
  }

  @Get('queues')
  async queues() {
    return { queues: (await this.queue.states()).map(toJson) };
  }

  /** A person mended what was wrong: the destination is tried at once, and with it what had failed. */
  @Post('queues/:aet/retry')
  @HttpCode(200)
  async retry(@Param('aet') aet: string, @Body() body: unknown, @CallerPrincipal() { subject }: Principal = anonymous) {
    const instances = await this.queue.retry(aeTitle(aet), parsed(retryRequest, body ?? {}).code);
    this.log.info({ aet, instances, by: subject }, 'forward.retried');
    return { destination: aet, instances };
  }

  /** A person gives up what waits for a destination or failed there. */
  @Delete('queues/:aet')
  @HttpCode(200)
  async drop(
    @Param('aet') aet: string,
    @Query() query: unknown,
    @CallerPrincipal() { subject }: Principal = anonymous,
  ) {
    const { state } = parsed(dropRequest, query);
    const instances = await this.queue.drop(aeTitle(aet), state);
    this.log.warn({ aet, state, instances, by: subject }, 'forward.dropped');
    return { destination: aet, instances };
  }
}

const toJson = (state: QueueState) => ({
  ...state,
  oldestSeconds: Math.round(state.oldestSeconds),
  lastFailedAt: state.lastFailedAt?.toISOString(),
  lastAnsweredAt: state.lastAnsweredAt?.toISOString(),
  nextAttemptAt: state.nextAttemptAt?.toISOString(),
});
