import { type Command, InvalidArgumentError } from 'commander';
import { ask, askForPages } from './api.ts';
import { formatColumns, print } from './print.ts';

interface Webhook {
  readonly id: number;
  readonly url: string;
  readonly events: readonly string[];
}

interface Listed extends Webhook {
  readonly pending: number;
  readonly dead: number;
}

interface Delivery {
  readonly id: number;
  readonly event: string;
  readonly status: string;
  readonly failures: number;
  readonly createdAt: string;
  readonly answerStatus: number | null;
  readonly failure: string | null;
}

interface Test {
  readonly delivered: boolean;
  readonly answerStatus: number | null;
  readonly failure: string | null;
  readonly milliseconds: number;
}

const JSON_OPTION = ['--json', 'one JSON object'] as const;
type Json = { json?: boolean };

/** The commands `faceflow webhooks …`, which talk to the API at FACEFLOW_URL. */
export function addWebhookCommands(program: Command, exitWith: (code: number) => never): void {
  const webhooks = program.command('webhooks').description('programs that are told what happens');

  webhooks
    .command('list')
    .description('all webhooks, and how many messages wait or are dead')
    .option(...JSON_OPTION)
    .action(async ({ json }: Json) => {
      const found = await ask<{ webhooks: Listed[] }>('GET', '/v1/webhooks');
      const rows = found.webhooks.map((hook) => [
        ...[String(hook.id), String(hook.pending), String(hook.dead), hook.url, hook.events.join(', ')],
      ]);
      const text = rows.length === 0 ? 'None.' : formatColumns(['id', 'waiting', 'dead', 'url', 'events'], rows);
      print(json, found, text);
      exitWith(0);
    });

  webhooks
    .command('add')
    .description('have a URL told what happens; prints the secret that messages are signed with: it is shown only now')
    .argument('<url>', 'of a host in WEBHOOK_HOSTS, or a host:port in WEBHOOK_PRIVATE_HOSTS')
    .option('--event <name...>', 'only these, such as image.finished; all when absent')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  faceflow webhooks add https://example.org/faces --event image.finished')
    .action(async (url: string, { event, json }: { event?: string[] } & Json) => {
      const made = await ask<Webhook & { secret: string }>('POST', '/v1/webhooks', {
        ...{ url },
        ...(event ? { events: event } : {}),
      });
      printSecret(json, made);
      exitWith(0);
    });

  webhooks
    .command('rotate')
    .description('a new secret; the one before signs as well for 24 hours')
    .argument('<id>', 'of the webhook', parseId)
    .option(...JSON_OPTION)
    .action(async (id: number, { json }: Json) => {
      printSecret(json, await ask<Webhook & { secret: string }>('POST', `/v1/webhooks/${id}/rotate`));
      exitWith(0);
    });

  webhooks
    .command('remove')
    .description('with what was to be sent to it')
    .argument('<id>', 'of the webhook', parseId)
    .option(...JSON_OPTION)
    .action(async (id: number, { json }: Json) => {
      await ask('DELETE', `/v1/webhooks/${id}`);
      print(json, { removed: id }, `Webhook ${id} is removed.`);
      exitWith(0);
    });

  webhooks
    .command('test')
    .description('send it a webhook.test now; exit code 1 when it is not taken')
    .argument('<id>', 'of the webhook', parseId)
    .option(...JSON_OPTION)
    .action(async (id: number, { json }: Json) => {
      const test = await ask<Test>('POST', `/v1/webhooks/${id}/test`);
      const what = test.delivered ? 'delivered' : `not taken (${test.failure})`;
      print(json, test, `${what}: ${test.answerStatus ?? 'no answer'}, ${test.milliseconds} ms`);
      exitWith(test.delivered ? 0 : 1);
    });

  webhooks
    .command('deliveries')
    .description('what was sent to it, newest first')
    .argument('<id>', 'of the webhook', parseId)
    .option('--status <status>', 'pending, delivered or dead')
    .option(...JSON_OPTION)
    .action(async (id: number, { status, json }: { status?: string } & Json) => {
      const deliveries: Delivery[] = [];
      const pages = askForPages<{ deliveries: Delivery[]; nextCursor: string | null }>(
        `/v1/webhooks/${id}/deliveries`,
        status ? { status } : {},
      );
      for await (const page of pages) deliveries.push(...page.deliveries);
      print(json, { deliveries }, deliveries.length === 0 ? 'None.' : formatDeliveries(deliveries));
      exitWith(0);
    });

  webhooks
    .command('redrive')
    .description('send its dead messages again; exit code 1 when there is none')
    .argument('<id>', 'of the webhook', parseId)
    .option(...JSON_OPTION)
    .action(async (id: number, { json }: Json) => {
      const answer = await ask<{ redriven: number }>('POST', `/v1/webhooks/${id}/redrive`, {});
      print(json, answer, `${answer.redriven} messages are sent again.`);
      exitWith(answer.redriven > 0 ? 0 : 1);
    });
}

/** The secret alone on stdout: SECRET=$(faceflow webhooks add …). */
function printSecret(json: boolean | undefined, made: Webhook & { secret: string }): void {
  if (!json) process.stderr.write(`Webhook ${made.id} tells ${made.url}. The secret, shown only now:\n`);
  print(json, made, made.secret);
}

function formatDeliveries(deliveries: readonly Delivery[]): string {
  return formatColumns(
    ['id', 'when', 'event', 'status', 'failures', 'last'],
    deliveries.map((one) => [
      ...[String(one.id), one.createdAt, one.event, one.status, String(one.failures)],
      [one.answerStatus, one.failure].filter((part) => part !== null).join(' '),
    ]),
  );
}

function parseId(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError('Expected the number of a webhook, see webhooks list.');
  return Number(text);
}
