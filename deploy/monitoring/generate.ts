// npm run monitoring: writes dashboard.json from dashboard.ts, and prometheus-rule.yaml from alerts.yaml.
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { parse, stringify } from 'yaml';
import { describeDashboard } from './dashboard.ts';

/** The files, by name, with what is to stand in them. */
export function generateFiles(): Record<string, string> {
  const { groups } = parse(readFileSync(new URL('alerts.yaml', import.meta.url), 'utf8')) as { groups: unknown };
  const rule = {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: { name: 'faceflow' },
    spec: { groups },
  };
  return {
    'dashboard.json': `${JSON.stringify(describeDashboard(), null, 2)}\n`,
    'prometheus-rule.yaml': `# Made of alerts.yaml by generate.ts (npm run monitoring): change that.\n${stringify(rule, { lineWidth: 0 })}`,
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const [name, text] of Object.entries(generateFiles())) writeFileSync(new URL(name, import.meta.url), text);
}
