-- The receiver takes in photos and what people decide: who is who, who is enrolled, who is erased; it knows who may call it.
-- It finds no faces. Names of tables are looked up in the database of the connection.
GRANT SELECT, INSERT, UPDATE, DELETE ON images TO 'faceflow_receiver'@'%';
GRANT SELECT, INSERT ON image_prefixes TO 'faceflow_receiver'@'%';
GRANT SELECT, UPDATE ON faces TO 'faceflow_receiver'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON person TO 'faceflow_receiver'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON person_images TO 'faceflow_receiver'@'%';
GRANT SELECT, UPDATE ON gallery TO 'faceflow_receiver'@'%';
GRANT INSERT ON gallery_removals TO 'faceflow_receiver'@'%';
GRANT SELECT, INSERT, DELETE ON face_rejections TO 'faceflow_receiver'@'%';
GRANT SELECT, INSERT ON enrolment_batches TO 'faceflow_receiver'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON enrolments TO 'faceflow_receiver'@'%';
GRANT SELECT, INSERT, UPDATE ON erasures TO 'faceflow_receiver'@'%';
GRANT INSERT ON refused_photos TO 'faceflow_receiver'@'%';
GRANT SELECT, INSERT, UPDATE ON clusters TO 'faceflow_receiver'@'%';
GRANT SELECT, INSERT ON cluster_splits TO 'faceflow_receiver'@'%';
GRANT SELECT, INSERT, UPDATE ON jobs TO 'faceflow_receiver'@'%';
GRANT SELECT, DELETE ON processors TO 'faceflow_receiver'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON replicas TO 'faceflow_receiver'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON image_minutes TO 'faceflow_receiver'@'%';
GRANT SELECT, INSERT, UPDATE (last_used_at, revoked_at) ON api_keys TO 'faceflow_receiver'@'%';
GRANT SELECT, INSERT, DELETE ON sessions TO 'faceflow_receiver'@'%';
GRANT SELECT, INSERT ON audit TO 'faceflow_receiver'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO 'faceflow_receiver'@'%';
GRANT SELECT, INSERT, UPDATE ON models TO 'faceflow_receiver'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON face_descriptors TO 'faceflow_receiver'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON reference_descriptors TO 'faceflow_receiver'@'%';
GRANT SELECT (version) ON schema_migrations TO 'faceflow_receiver'@'%';
GRANT SELECT (holder, expires_at) ON schema_lock TO 'faceflow_receiver'@'%';
