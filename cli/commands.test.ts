import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { addClusterCommands } from './client/clusters.ts';
import { addClientCommands } from './client/commands.ts';
import { addModelCommands } from './client/models.ts';
import { addPeopleCommands } from './client/people.ts';
import { addWebhookCommands } from './client/webhooks.ts';
import { addKeyCommands } from './keys.ts';

const program = new Command('faceflow');
for (const addCommands of [
  ...[addClientCommands, addPeopleCommands, addClusterCommands, addKeyCommands, addModelCommands, addWebhookCommands],
]) {
  addCommands(program, (code) => {
    throw new Error(String(code));
  });
}

const leaves = (command: Command): Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
const nameOf = (command: Command): string =>
  command.parent === null || command.parent === program
    ? command.name()
    : `${nameOf(command.parent)} ${command.name()}`;
const all = leaves(program);

test.each(all.map((command) => [nameOf(command), command] as const))(
  '%s says what it does, and has --json',
  (_, command) => {
    expect(command.description()).not.toBe('');
    expect(command.options.map(({ long }) => long)).toContain('--json');
  },
);

test('docs/cli.md has every command', () => {
  const text = readFileSync(new URL('../docs/cli.md', import.meta.url), 'utf8');
  for (const group of program.commands) {
    const row = text.split('\n').find((line) => line.startsWith('| ') && line.includes(`\`${group.name()}`));
    expect(row, group.name()).toBeDefined();
    for (const one of group.commands) expect(row, nameOf(one)).toMatch(new RegExp(`[ |]${one.name()}\\b`));
  }
});
