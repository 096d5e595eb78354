-- The role that KEDA asks PostgreSQL with: it can count what waits for workers, and read nothing else.
--
--   psql "$OWNER_URL" -v ON_ERROR_STOP=1 -v password="$PASSWORD" -f ops/setup/scaler.sql
--
-- as the owner of the tables (MIGRATION_DATABASE_URL, without +asyncpg), who may create roles; after the migrations, and
-- again whenever: it brings everything to this state. Where the owner may not, an administrator makes the role first.
-- Columns are granted one by one, and policies show the rows that wait or run: no name, no content, no address.

\set ON_ERROR_STOP 1
-- a policy needs its table for a moment: others must not queue behind that
SET lock_timeout = '2s';
SET client_min_messages = warning;

SELECT 'CREATE ROLE karyaksham_scaler NOINHERIT'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'karyaksham_scaler') \gexec
SELECT format('ALTER ROLE karyaksham_scaler LOGIN CONNECTION LIMIT 8 PASSWORD %L', :'password') \gexec

BEGIN;
GRANT USAGE ON SCHEMA public TO karyaksham_scaler;
GRANT SELECT (workspace_id, status, next_attempt_at, deleted_at) ON jobs TO karyaksham_scaler;
GRANT SELECT (id, max_running_jobs) ON workspaces TO karyaksham_scaler;
GRANT SELECT (enabled, next_run_at) ON schedules TO karyaksham_scaler;
GRANT SELECT (webhook_id, status, next_attempt_at) ON webhook_deliveries TO karyaksham_scaler;
GRANT SELECT (id, enabled) ON webhooks TO karyaksham_scaler;
GRANT SELECT (status, next_attempt_at) ON mails TO karyaksham_scaler;
GRANT SELECT (status, deleted_at) ON datasets TO karyaksham_scaler;

DROP POLICY IF EXISTS scaler ON jobs;
CREATE POLICY scaler ON jobs FOR SELECT TO karyaksham_scaler USING (status IN ('PENDING', 'RUNNING'));
DROP POLICY IF EXISTS scaler ON workspaces;
CREATE POLICY scaler ON workspaces FOR SELECT TO karyaksham_scaler USING (true);
DROP POLICY IF EXISTS scaler ON schedules;
CREATE POLICY scaler ON schedules FOR SELECT TO karyaksham_scaler USING (enabled);
DROP POLICY IF EXISTS scaler ON webhook_deliveries;
CREATE POLICY scaler ON webhook_deliveries FOR SELECT TO karyaksham_scaler USING (status = 'PENDING');
DROP POLICY IF EXISTS scaler ON webhooks;
CREATE POLICY scaler ON webhooks FOR SELECT TO karyaksham_scaler USING (enabled);
DROP POLICY IF EXISTS scaler ON mails;
CREATE POLICY scaler ON mails FOR SELECT TO karyaksham_scaler USING (status = 'PENDING');
DROP POLICY IF EXISTS scaler ON datasets;
CREATE POLICY scaler ON datasets FOR SELECT TO karyaksham_scaler USING (status = 'INSPECTING');
COMMIT;
