"""Sums of the log over all accounts, by model and backend; the fold begins with the oldest row that there is."""

from django.db import migrations

SQL = """
CREATE TABLE usage_platformcell (
  grain smallint NOT NULL,
  start timestamptz NOT NULL,
  model_id bigint NOT NULL,
  backend_id bigint NOT NULL,  -- 0: it reached none
  status smallint NOT NULL,
  requests bigint NOT NULL,
  faults bigint NOT NULL,
  prompt_tokens bigint NOT NULL,
  cached_tokens bigint NOT NULL,
  completion_tokens bigint NOT NULL,
  cost bigint NOT NULL,
  charged bigint NOT NULL,
  generated_tokens bigint NOT NULL,
  generating_ms bigint NOT NULL,
  histogram bigint[] NOT NULL,
  PRIMARY KEY (grain, start, model_id, backend_id, status)
);
CREATE TABLE usage_platformmark (id smallint PRIMARY KEY CHECK (id = 1), settled_until timestamptz NOT NULL);
INSERT INTO usage_platformmark VALUES (1, '-infinity');
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0006_cells_of_all")]
    operations = [migrations.RunSQL(SQL, "DROP TABLE usage_platformcell, usage_platformmark")]
