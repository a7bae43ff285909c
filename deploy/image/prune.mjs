// Takes out of installed production packages what this platform does not run: node deploy/image/prune.mjs node_modules
// A step of deploy/Dockerfile; test/image.test.ts runs every service from what it leaves.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const { platform, arch } = process;
const modules = process.argv[2];
if (modules === undefined || !existsSync(modules)) throw new Error('Say which node_modules: prune.mjs FOLDER');

const remove = (...path) => rmSync(join(modules, ...path), { recursive: true, force: true });
const list = (...path) => (existsSync(join(modules, ...path)) ? readdirSync(join(modules, ...path)) : []);

// A tool of the tests, which npm counts as optional, not as dev.
remove('@install-binary');
// There is a native binary of sharp here.
remove('@img', 'sharp-wasm32');
// ONNX Runtime comes with the binaries of every platform: 288 MB, of which one is used.
for (const abi of list('onnxruntime-node', 'bin')) {
  for (const system of list('onnxruntime-node', 'bin', abi)) {
    if (system !== platform) remove('onnxruntime-node', 'bin', abi, system);
    else {
      const others = list('onnxruntime-node', 'bin', abi, system).filter((name) => name !== arch);
      for (const name of others) remove('onnxruntime-node', 'bin', abi, system, name);
    }
  }
}
// So does usearch, and with what it was compiled from. One folder may be for two architectures: darwin-arm64+x64.
for (const name of list('usearch', 'prebuilds')) {
  const [system, architectures = ''] = name.split('-');
  if (system !== platform || !architectures.split('+').includes(arch)) remove('usearch', 'prebuilds', name);
}
for (const sources of ['numkong', 'include']) remove('usearch', sources);
// Half of what npm installs.
for (const file of readdirSync(modules, { recursive: true })) if (file.endsWith('.map')) remove(file);
