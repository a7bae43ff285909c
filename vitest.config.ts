import { defineConfig } from 'vitest/config';

const DEPLOY = ['test/deploy.test.ts', 'test/mysql-ha.test.ts', 'test/scaling.test.ts'];

export default defineConfig({
  test: {
    reporters: ['default', './test/closing-line-reporter.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          // A worker for each file would cost more than the tests.
          isolate: false,
          maxWorkers: '100%',
          testTimeout: 20_000,
          expect: { poll: { timeout: 10_000 } },
          include: ['{lib,receiver,processor,recognizer,frontend,cli,sql}/**/*.test.{ts,tsx}'],
        },
      },
      {
        test: {
          // Manifests, compose.yaml, the image's recipe: no servers, nothing compiled.
          name: 'deploy',
          include: DEPLOY,
          testTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'system',
          expect: { poll: { timeout: 60_000 } },
          include: ['test/**/*.test.ts'],
          exclude: DEPLOY,
          globalSetup: './test/global-setup.ts',
          // Above the limit of any one wait (test/wait-for.ts), so that it is the wait that says what has not come.
          testTimeout: 300_000,
          hookTimeout: 300_000,
          // Tests wait more than they work; more at once would leave the services under test no core to themselves.
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
