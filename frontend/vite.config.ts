import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, loadEnv, type Plugin } from 'vite';

export default defineConfig(({ mode }) => {
  const environment = loadEnv(mode, import.meta.dirname, ['RECEIVER_URL']);
  const receiver = environment.RECEIVER_URL ?? 'http://127.0.0.1:8000';
  return {
    root: `${import.meta.dirname}/web`,
    plugins: [react(), precompress()],
    build: {
      outDir: `${import.meta.dirname}/../dist/frontend/web`,
      emptyOutDir: true,
      // The page's Content-Security-Policy knows no data: URLs and no inline scripts.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
    },
    server: { host: '127.0.0.1', proxy: { '/v1': receiver, '/image/post': receiver, '/images/post': receiver } },
  };
});

/**
 * Writes `x.js.br` and `x.js.gz` beside `x.js`: the server sends what the browser takes, and compresses nothing itself.
 * From the written files: in the bundle, until the very end, stand placeholders for what is loaded later.
 */
function precompress(): Plugin {
  return {
    name: 'precompress',
    apply: 'build',
    async writeBundle({ dir }, bundle) {
      if (dir === undefined) throw new Error('The build has no folder.');
      for (const name of Object.keys(bundle)) {
        if (!/\.(js|css|html|svg)$/.test(name)) continue;
        const file = join(dir, name);
        const source = await readFile(file);
        const [br, gz] = await Promise.all([promisify(brotliCompress)(source), promisify(gzip)(source)]);
        await Promise.all([writeFile(`${file}.br`, br), writeFile(`${file}.gz`, gz)]);
      }
    },
  };
}
