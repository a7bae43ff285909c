/** What is scraped once a minute, in promtool's notation: `1x30` is 31 times 1, `0+5x30` grows by 5, `_x3` is nothing. */
export type Series = Readonly<Record<string, string>>;

export interface AlertCase {
  readonly alert: string;
  /** When it is looked at, such as `20m`. */
  readonly at: string;
  readonly fires: Series;
  /** Of the alert that fires, without its severity. */
  readonly labels: Readonly<Record<string, string>>;
  /** Nearly the same, and all is well. */
  readonly silent: Series;
}

const NS = 'namespace="ff"';
const requests = (status: string, route = '/image/post') =>
  `faceflow_http_request_duration_seconds_count{${NS},job="faceflow-receiver",route="${route}",status="${status}"}`;
const outcomes = (status: string, reason = '') =>
  `faceflow_outcomes_total{${NS},kind="identify",status="${status}",reason="${reason}"}`;
const ofRecognizer = (instance: string) => `{${NS},job="faceflow-recognizer",instance="${instance}"}`;
const revision = (instance: string) => `faceflow_gallery_revision{${NS},model="face-api-1",instance="${instance}"}`;
const ofVolume = (namespace: string) => `{namespace="${namespace}",persistentvolumeclaim="data-nats-0"}`;

export const ALERT_CASES: readonly AlertCase[] = [
  {
    alert: 'FaceflowTargetDown',
    at: '10m',
    fires: { [`up{${NS},job="faceflow-frontend",instance="f1"}`]: '1x2 0x10' },
    labels: { namespace: 'ff', job: 'faceflow-frontend', instance: 'f1' },
    silent: { [`up{${NS},job="faceflow-frontend",instance="f1"}`]: '1x5 0x3 1x5', 'up{job="other"}': '0x20' },
  },
  {
    alert: 'FaceflowServiceGone',
    at: '10m',
    fires: { 'up{job="faceflow-receiver"}': '1x20', 'up{job="faceflow-frontend"}': '0x20' },
    labels: { job: 'faceflow-frontend' },
    silent: { 'up{job="faceflow-receiver"}': '1x20', 'up{job="faceflow-frontend"}': '1x20' },
  },
  {
    alert: 'FaceflowNoProcessor',
    at: '10m',
    fires: { [`faceflow_queue_messages{${NS},state="pending"}`]: '3x20' },
    labels: { namespace: 'ff' },
    silent: {
      [`faceflow_queue_messages{${NS},state="pending"}`]: '3x20',
      [`up{${NS},job="faceflow-processor"}`]: '1x20',
    },
  },
  {
    alert: 'FaceflowHttpErrors',
    at: '20m',
    fires: { [requests('202')]: '0+90x30', [requests('500')]: '0+10x30' },
    labels: { namespace: 'ff' },
    silent: {
      [requests('202')]: '0+90x30',
      [requests('500')]: '0+1x30',
      [requests('400')]: '0+90x30',
      [requests('503', '/readyz')]: '0+90x30',
    },
  },
  {
    alert: 'FaceflowEventLoopBusy',
    at: '20m',
    fires: { 'faceflow_event_loop_busy_seconds_total{job="faceflow-processor",instance="p1"}': '0+59x30' },
    labels: { job: 'faceflow-processor', instance: 'p1' },
    silent: { 'faceflow_event_loop_busy_seconds_total{job="faceflow-processor",instance="p1"}': '0+30x30' },
  },
  {
    alert: 'FaceflowBacklogGrowing',
    at: '60m',
    fires: { [`faceflow_queue_messages{${NS},state="pending"}`]: '90+10x70' },
    labels: { namespace: 'ff' },
    // Much, but it gets less; and a little that grows.
    silent: {
      [`faceflow_queue_messages{${NS},state="pending"}`]: '5000-10x70',
      'faceflow_queue_messages{namespace="other",state="pending"}': '0+1x70',
    },
  },
  {
    alert: 'FaceflowOldestMessageTooOld',
    at: '30m',
    fires: { [`faceflow_queue_oldest_message_age_seconds{${NS}}`]: '0+60x40' },
    labels: { namespace: 'ff' },
    silent: { [`faceflow_queue_oldest_message_age_seconds{${NS}}`]: '800x40' },
  },
  {
    alert: 'FaceflowQueueLostMessages',
    at: '30m',
    fires: { [`faceflow_swept_total{${NS},table="images",what="lost"}`]: '0x10 12x25' },
    labels: { namespace: 'ff', table: 'images' },
    silent: {
      [`faceflow_swept_total{${NS},table="images",what="lost"}`]: '12x35',
      [`faceflow_swept_total{${NS},table="images",what="published"}`]: '0+1x35',
    },
  },
  {
    alert: 'FaceflowQueueReplicaBehind',
    at: '20m',
    fires: { [`faceflow_queue_replicas{${NS},state="behind"}`]: '0x10 1x20' },
    labels: { namespace: 'ff' },
    silent: {
      [`faceflow_queue_replicas{${NS},state="behind"}`]: '0x10 1x3 0x20',
      [`faceflow_queue_replicas{${NS},state="current"}`]: '3x30',
    },
  },
  {
    alert: 'FaceflowPhotosFail',
    at: '40m',
    fires: { [outcomes('matched')]: '0+90x50', [outcomes('failed', 'too_many_tries')]: '0+10x50' },
    labels: { namespace: 'ff' },
    silent: {
      [outcomes('matched')]: '0+90x50',
      [outcomes('failed', 'too_many_tries')]: '0+2x50',
      [outcomes('unreadable', 'image_unreadable')]: '0+40x50',
    },
  },
  {
    alert: 'FaceflowPhotosUnreadable',
    at: '40m',
    fires: { [outcomes('matched')]: '0+10x50', [outcomes('unreadable', 'file_not_found')]: '0+90x50' },
    labels: { namespace: 'ff', reason: 'file_not_found' },
    silent: { [outcomes('matched')]: '0+90x50', [outcomes('unreadable', 'file_not_found')]: '0+40x50' },
  },
  {
    alert: 'FaceflowRecognizerAway',
    at: '10m',
    fires: {
      [`faceflow_breaker_state{${NS},state="closed",instance="p1"}`]: '1x5 0x10',
      [`faceflow_breaker_state{${NS},state="closed",instance="p2"}`]: '0x15',
    },
    labels: { namespace: 'ff' },
    silent: {
      [`faceflow_breaker_state{${NS},state="closed",instance="p1"}`]: '1x15',
      [`faceflow_breaker_state{${NS},state="closed",instance="p2"}`]: '0x15',
    },
  },
  {
    alert: 'FaceflowBreakerOpen',
    at: '20m',
    fires: {
      [`faceflow_breaker_state{${NS},state="closed",instance="p1"}`]: '1x30',
      [`faceflow_breaker_state{${NS},state="closed",instance="p2"}`]: '0x30',
    },
    labels: { namespace: 'ff', instance: 'p2', state: 'closed' },
    silent: {
      [`faceflow_breaker_state{${NS},state="closed",instance="p2"}`]: '0x5 1 0x5 1x20',
      [`faceflow_breaker_state{${NS},state="open",instance="p2"}`]: '0x30',
    },
  },
  {
    alert: 'FaceflowWorkersDie',
    at: '30m',
    fires: { [`faceflow_recognizer_workers_replaced_total${ofRecognizer('r1')}`]: '0x5 0+1x30' },
    labels: { namespace: 'ff', job: 'faceflow-recognizer', instance: 'r1' },
    silent: { [`faceflow_recognizer_workers_replaced_total${ofRecognizer('r1')}`]: '0x5 2x30' },
  },
  {
    alert: 'FaceflowGalleriesApart',
    at: '20m',
    fires: { [revision('r1')]: '7x10 9x20', [revision('r2')]: '7x30' },
    labels: { namespace: 'ff', model: 'face-api-1' },
    // Somebody is enrolled all the time, and one of them is scraped, or told, a little later.
    silent: { [revision('r1')]: '0+5x30', [revision('r2')]: '0 0 0+5x28' },
  },
  {
    alert: 'FaceflowGalleryStale',
    at: '20m',
    fires: { [`faceflow_gallery_read_timestamp_seconds${ofRecognizer('r1')}`]: '0+60x5 300x20' },
    labels: { namespace: 'ff', job: 'faceflow-recognizer', instance: 'r1' },
    silent: { [`faceflow_gallery_read_timestamp_seconds${ofRecognizer('r1')}`]: '0+60x30' },
  },
  {
    alert: 'FaceflowNoLeader',
    at: '20m',
    fires: {
      [`faceflow_leader{${NS},jobs="queue",instance="a"}`]: '1x10 0x20',
      [`faceflow_leader{${NS},jobs="queue",instance="b"}`]: '0x30',
    },
    labels: { namespace: 'ff', jobs: 'queue' },
    // One follows the other.
    silent: {
      [`faceflow_leader{${NS},jobs="queue",instance="a"}`]: '1x10 0x20',
      [`faceflow_leader{${NS},jobs="queue",instance="b"}`]: '0x10 1x20',
    },
  },
  {
    alert: 'FaceflowJobFails',
    at: '40m',
    fires: { [`faceflow_job_errors_total{${NS},task="rematch"}`]: '0+60x50' },
    labels: { namespace: 'ff', task: 'rematch' },
    silent: { [`faceflow_job_errors_total{${NS},task="rematch"}`]: '0x10 4x40' },
  },
  {
    alert: 'FaceflowWebhookMessagesLost',
    at: '40m',
    fires: { [`faceflow_webhook_attempts_total{${NS},result="dead"}`]: '0x30 2x20' },
    labels: { namespace: 'ff' },
    silent: {
      [`faceflow_webhook_attempts_total{${NS},result="dead"}`]: '3x50',
      [`faceflow_webhook_attempts_total{${NS},result="failed"}`]: '0+5x50',
    },
  },
  {
    alert: 'FaceflowDependencyAway',
    at: '20m',
    fires: {
      [`faceflow_dependency_up{${NS},dependency="nats",instance="a"}`]: '1x10 0x20',
      [`faceflow_dependency_up{${NS},dependency="nats",instance="b"}`]: '1x10 0x20',
    },
    labels: { namespace: 'ff', dependency: 'nats' },
    silent: {
      [`faceflow_dependency_up{${NS},dependency="nats",instance="a"}`]: '1x30',
      [`faceflow_dependency_up{${NS},dependency="nats",instance="b"}`]: '0x30',
    },
  },
  {
    alert: 'FaceflowDatabaseClusterDegraded',
    at: '20m',
    fires: { [`faceflow_database_cluster_nodes{${NS}}`]: '3x10 2x20' },
    labels: { namespace: 'ff' },
    silent: { [`faceflow_database_cluster_nodes{${NS}}`]: '3x10 2x3 3x20' },
  },
  {
    alert: 'FaceflowUploadDiskFull',
    at: '20m',
    fires: {
      [`faceflow_upload_disk_free_bytes{${NS},instance="a"}`]: '9x30',
      [`faceflow_upload_disk_size_bytes{${NS},instance="a"}`]: '100x30',
    },
    labels: { namespace: 'ff' },
    silent: {
      [`faceflow_upload_disk_free_bytes{${NS},instance="a"}`]: '11x30',
      [`faceflow_upload_disk_size_bytes{${NS},instance="a"}`]: '100x30',
    },
  },
  {
    alert: 'FaceflowVolumeFull',
    at: '20m',
    fires: {
      [`kubelet_volume_stats_available_bytes${ofVolume('ff')}`]: '14x30',
      [`kubelet_volume_stats_capacity_bytes${ofVolume('ff')}`]: '100x30',
      [`faceflow_leader{${NS},jobs="queue"}`]: '1x30',
    },
    labels: { namespace: 'ff', persistentvolumeclaim: 'data-nats-0' },
    // Somebody else's.
    silent: {
      [`kubelet_volume_stats_available_bytes${ofVolume('other')}`]: '14x30',
      [`kubelet_volume_stats_capacity_bytes${ofVolume('other')}`]: '100x30',
      [`faceflow_leader{${NS},jobs="queue"}`]: '1x30',
    },
  },
];
