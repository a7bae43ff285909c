-- The recognizer follows the gallery, and enrols the folder KNOWN_PEOPLE. Of processed photos it sees only the descriptors
-- of faces that were rejected as somebody; it removes nobody, and leaves thresholds alone.
GRANT SELECT, INSERT (name), UPDATE (name) ON person TO 'faceflow_recognizer'@'%';
GRANT SELECT, INSERT, UPDATE ON person_images TO 'faceflow_recognizer'@'%';
GRANT SELECT, UPDATE (revision, marked_revision, marked_from) ON gallery TO 'faceflow_recognizer'@'%';
GRANT SELECT ON gallery_removals TO 'faceflow_recognizer'@'%';
GRANT SELECT ON face_rejections TO 'faceflow_recognizer'@'%';
GRANT SELECT (id, descriptor, model) ON faces TO 'faceflow_recognizer'@'%';
GRANT SELECT ON refused_photos TO 'faceflow_recognizer'@'%';
GRANT SELECT ON models TO 'faceflow_recognizer'@'%';
GRANT SELECT ON face_descriptors TO 'faceflow_recognizer'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON reference_descriptors TO 'faceflow_recognizer'@'%';
GRANT INSERT ON audit TO 'faceflow_recognizer'@'%';
GRANT SELECT (version) ON schema_migrations TO 'faceflow_recognizer'@'%';
GRANT SELECT (holder, expires_at) ON schema_lock TO 'faceflow_recognizer'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON replicas TO 'faceflow_recognizer'@'%';
GRANT SELECT (id, events) ON webhooks TO 'faceflow_recognizer'@'%';
GRANT INSERT ON webhook_deliveries TO 'faceflow_recognizer'@'%';
