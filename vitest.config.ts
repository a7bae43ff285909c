import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    reporters: ['default', './test/closing-line-reporter.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{lib,receiver,processor,recognizer,frontend,cli,sql}/**/*.test.{ts,tsx}'],
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/**/*.test.ts'],
          globalSetup: './test/global-setup.ts',
          testTimeout: 120_000,
          hookTimeout: 180_000,
          // The machine's cores belong to the services under test, not to parallel test files.
          fileParallelism: false,
        },
      },
    ],
  },
});
