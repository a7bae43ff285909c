import { statfs } from 'node:fs/promises';
import { Gauge } from 'prom-client';
import type { Database, Row } from '../lib/database.ts';
import { type Metrics, shareAnswer } from '../lib/metrics.ts';

/** Tells how full the disk is that uploads go to. @param folder the first of IMAGE_ROOTS */
export function measureUploadFolder(metrics: Metrics, folder: string): void {
  const ask = shareAnswer(async () => {
    const { bsize, bavail, blocks } = await statfs(folder);
    return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
  });
  new Gauge({
    name: 'faceflow_upload_disk_free_bytes',
    help: 'What is free on the disk of the folder that uploads are stored in.',
    registers: [metrics],
    async collect() {
      const answer = await ask();
      this.remove();
      if (answer !== null) this.set(answer.freeBytes);
    },
  });
  new Gauge({
    name: 'faceflow_upload_disk_size_bytes',
    help: 'The size of that disk.',
    registers: [metrics],
    async collect() {
      const answer = await ask();
      this.remove();
      if (answer !== null) this.set(answer.sizeBytes);
    },
  });
}

/** Tells how many servers the database has, where it is a Galera cluster (MariaDB Galera, Percona XtraDB Cluster). */
export function measureDatabaseCluster(metrics: Metrics, db: Pick<Database, 'query'>): void {
  const ask = shareAnswer(async () => {
    const [rows] = await db.query<Row[]>("SHOW GLOBAL STATUS LIKE 'wsrep_cluster_size'");
    // A MariaDB that is in no cluster says 0.
    return Number(rows[0]?.Value ?? 0);
  });
  new Gauge({
    name: 'faceflow_database_cluster_nodes',
    help: 'Servers of the Galera cluster that the asked one is in touch with; absent where the database is one server.',
    registers: [metrics],
    async collect() {
      const nodes = await ask();
      this.remove();
      if (nodes) this.set(nodes);
    },
  });
}
