-- The processor records outcomes and runs the jobs. It takes in no photos and no people, renames and removes nobody, and
-- leaves the gallery's threshold alone.
GRANT SELECT, UPDATE ON images TO 'faceflow_processor'@'%';
GRANT SELECT, INSERT, UPDATE ON faces TO 'faceflow_processor'@'%';
GRANT SELECT, UPDATE (revision) ON person TO 'faceflow_processor'@'%';
GRANT SELECT, INSERT, UPDATE ON person_images TO 'faceflow_processor'@'%';
GRANT SELECT, UPDATE (revision, marked_revision, marked_from) ON gallery TO 'faceflow_processor'@'%';
GRANT SELECT ON gallery_removals TO 'faceflow_processor'@'%';
GRANT SELECT, DELETE ON face_rejections TO 'faceflow_processor'@'%';
GRANT SELECT, UPDATE ON enrolments TO 'faceflow_processor'@'%';
GRANT SELECT ON erasures TO 'faceflow_processor'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON clusters TO 'faceflow_processor'@'%';
GRANT SELECT, INSERT ON cluster_splits TO 'faceflow_processor'@'%';
GRANT SELECT, INSERT, UPDATE ON jobs TO 'faceflow_processor'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON processors TO 'faceflow_processor'@'%';
GRANT INSERT ON audit TO 'faceflow_processor'@'%';
GRANT SELECT ON enrolment_batches TO 'faceflow_processor'@'%';
GRANT SELECT, UPDATE, DELETE ON models TO 'faceflow_processor'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON face_descriptors TO 'faceflow_processor'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON reference_descriptors TO 'faceflow_processor'@'%';
GRANT SELECT, DELETE ON idempotency_keys TO 'faceflow_processor'@'%';
GRANT SELECT (version) ON schema_migrations TO 'faceflow_processor'@'%';
GRANT SELECT (holder, expires_at) ON schema_lock TO 'faceflow_processor'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON replicas TO 'faceflow_processor'@'%';
GRANT SELECT (id, events) ON webhooks TO 'faceflow_processor'@'%';
GRANT INSERT ON webhook_deliveries TO 'faceflow_processor'@'%';
