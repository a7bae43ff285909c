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

/** Writes `x.js.br` and `x.js.gz` beside `x.js`: the server sends what the browser takes, and compresses nothing itself. */
function precompress(): Plugin {
  return {
    name: 'precompress',
    apply: 'build',
    enforce: 'post',
    async generateBundle(_options, bundle) {
      for (const output of Object.values(bundle)) {
        if (!/\.(js|css|html|svg)$/.test(output.fileName)) continue;
        const source = output.type === 'chunk' ? output.code : output.source;
        const [br, gz] = await Promise.all([promisify(brotliCompress)(source), promisify(gzip)(source)]);
        this.emitFile({ type: 'asset', fileName: `${output.fileName}.br`, source: br });
        this.emitFile({ type: 'asset', fileName: `${output.fileName}.gz`, source: gz });
      }
    },
  };
}
