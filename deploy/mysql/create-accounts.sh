#!/bin/sh
# Makes the accounts of Faceflow's services in MySQL or MariaDB: once, as somebody who may create users. The official
# images run it when their volume is new (/docker-entrypoint-initdb.d). With MYSQL_CLIENT=cat it prints what it would do.
# What the services may do is granted by the migrations' account, after every migration (MYSQL_SERVICE_USERS=true).
# Passwords: letters and digits only, as they become parts of URLs.
set -eu
: "${MYSQL_MIGRATE_PASSWORD:?}" "${MYSQL_RECEIVER_PASSWORD:?}" "${MYSQL_PROCESSOR_PASSWORD:?}" "${MYSQL_RECOGNIZER_PASSWORD:?}"
# MYSQL_TLS=true: no account can be used without TLS and a certificate that the server trusts.
require=$([ "${MYSQL_TLS:-false}" = true ] && echo ' REQUIRE X509' || true)
${MYSQL_CLIENT:-mysql --user=root --password="${MYSQL_ROOT_PASSWORD:-}"} <<SQL
CREATE USER IF NOT EXISTS 'faceflow_migrate'@'%' IDENTIFIED BY '$MYSQL_MIGRATE_PASSWORD'$require;
CREATE USER IF NOT EXISTS 'faceflow_receiver'@'%' IDENTIFIED BY '$MYSQL_RECEIVER_PASSWORD'$require;
CREATE USER IF NOT EXISTS 'faceflow_processor'@'%' IDENTIFIED BY '$MYSQL_PROCESSOR_PASSWORD'$require;
CREATE USER IF NOT EXISTS 'faceflow_recognizer'@'%' IDENTIFIED BY '$MYSQL_RECOGNIZER_PASSWORD'$require;
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES
  ON \`${MYSQL_DATABASE:-faceflow}\`.* TO 'faceflow_migrate'@'%' WITH GRANT OPTION;
SQL
