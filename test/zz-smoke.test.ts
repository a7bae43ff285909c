import { expect, test, inject } from 'vitest';
import { createDatabase, startMysqlServer, findChromium, natsUrl } from './servers.ts';
import { chromium } from 'playwright-core';
test('db', async () => { const db = await createDatabase(); console.log(db.url, natsUrl()); await db.drop(); });
test('mysql', async () => { const t=Date.now(); const s = await startMysqlServer(); console.log(s, Date.now()-t); if ('skip' in s) return; const db = await createDatabase({ server: s.url }); await db.drop(); await s.stop(); });
test('chromium', async () => { const t=Date.now(); const c = await findChromium(); console.log(c, Date.now()-t); if ('skip' in c) return; const b = await chromium.launch(c); const p = await b.newPage(); await p.setContent('<h1>Hello wörld</h1><p>text</p>'); await p.screenshot({ path: '/tmp/la/shot.png' }); await b.close(); });
