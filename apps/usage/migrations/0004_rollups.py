"""Sums of the log in cells of a quarter of an hour, an hour and a day, in place of the days of keys alone; the fold starts anew."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

SQL = """
DROP FUNCTION IF EXISTS usage_fold_keys(interval), usage_days_of_key(bigint, date), usage_of_keys(bigint[]);
DROP TABLE usage_keyday, usage_keyfold;
CREATE TABLE usage_rollup (
  account_id bigint NOT NULL,
  grain smallint NOT NULL,
  start timestamptz NOT NULL,
  api_key_id bigint NOT NULL,
  model_id bigint NOT NULL,
  status smallint NOT NULL,
  dialect smallint NOT NULL,
  requests bigint NOT NULL,
  prompt_tokens bigint NOT NULL,
  cached_tokens bigint NOT NULL,
  completion_tokens bigint NOT NULL,
  reasoning_tokens bigint NOT NULL,
  cost bigint NOT NULL,
  charged bigint NOT NULL,
  last_admitted_at timestamptz NOT NULL,
  histogram bigint[] NOT NULL,
  PRIMARY KEY (account_id, grain, start, api_key_id, model_id, status, dialect)
    INCLUDE (requests, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, cost, charged)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX usage_rollup_key_days ON usage_rollup (api_key_id, start) INCLUDE (requests, charged, last_admitted_at) WHERE grain = 1440;
CREATE TABLE usage_rollupmark (id smallint PRIMARY KEY CHECK (id = 1), settled_until timestamptz NOT NULL);
INSERT INTO usage_rollupmark VALUES (1, '-infinity');
"""

class Migration(migrations.Migration):
    dependencies = [("usage", "0003_key_days")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(SQL, migrations.RunSQL.noop)],
            state_operations=[migrations.DeleteModel("KeyDay"), migrations.DeleteModel("KeyFold")],
        ),
        migrations.CreateModel(
            name="Rollup",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id",
                        "grain",
                        "start",
                        "api_key_id",
                        "model_id",
                        "status",
                        "dialect",
                        blank=True, editable=False, primary_key=True, serialize=False,
                    ),
                ),
                ("account_id", models.BigIntegerField()),
                ("grain", models.SmallIntegerField(choices=[(15, "Quarter"), (60, "Hour"), (1440, "Day")], help_text="minutes")),
                ("start", models.DateTimeField()),
                ("api_key_id", models.BigIntegerField(help_text="0: without a key")),
                ("model_id", models.BigIntegerField()),
                ("status", models.SmallIntegerField(choices=[(1, "Completed"), (2, "Cancelled"), (3, "Failed"), (4, "Lost")])),
                ("dialect", models.SmallIntegerField(choices=[(1, "Chat"), (2, "Completions"), (3, "Messages"), (4, "Playground")])),
                ("requests", models.BigIntegerField()),
                ("prompt_tokens", models.BigIntegerField()),
                ("cached_tokens", models.BigIntegerField()),
                ("completion_tokens", models.BigIntegerField()),
                ("reasoning_tokens", models.BigIntegerField()),
                ("cost", models.BigIntegerField(help_text="nano-USD")),
                ("charged", models.BigIntegerField(help_text="nano-USD")),
                ("last_admitted_at", models.DateTimeField()),
                ("histogram", ArrayField(base_field=models.BigIntegerField(), size=None)),
            ],
            options={"db_table": "usage_rollup", "managed": False},
        ),
        migrations.CreateModel(
            name="RollupMark",
            fields=[("id", models.SmallIntegerField(primary_key=True, serialize=False)), ("settled_until", models.DateTimeField())],
            options={"db_table": "usage_rollupmark", "managed": False},
        ),
    ]
