"""The inference log: partitioned by month on its time-ordered id, with a default partition as a net."""

from django.db import migrations

SQL = """
CREATE TABLE usage_inference (
  id uuid PRIMARY KEY,
  account_id bigint NOT NULL,
  api_key_id bigint,
  model_id bigint NOT NULL,
  price_id bigint NOT NULL,
  backend_id bigint,
  transaction_id bigint,
  dialect smallint NOT NULL,
  streamed boolean NOT NULL,
  status smallint NOT NULL,
  http_status smallint NOT NULL,
  finish_reason text NOT NULL,
  error_code text NOT NULL,
  prompt_tokens integer NOT NULL CHECK (prompt_tokens >= 0),
  cached_tokens integer NOT NULL CHECK (cached_tokens BETWEEN 0 AND prompt_tokens),
  completion_tokens integer NOT NULL CHECK (completion_tokens >= 0),
  reasoning_tokens integer NOT NULL CHECK (reasoning_tokens BETWEEN 0 AND completion_tokens),
  estimated boolean NOT NULL,
  cost bigint NOT NULL CHECK (cost >= 0),
  charged bigint NOT NULL CHECK (charged BETWEEN 0 AND cost),
  paid_pools bigint[] NOT NULL,
  paid_amounts bigint[] NOT NULL,
  admitted_at timestamptz NOT NULL,
  settled_at timestamptz NOT NULL,
  queue_ms integer NOT NULL,
  first_token_ms integer,
  total_ms integer NOT NULL
) PARTITION BY RANGE (id);
CREATE INDEX usage_inference_account ON usage_inference (account_id, id DESC);
CREATE TABLE usage_inference_other PARTITION OF usage_inference DEFAULT;
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0001_initial")]
    operations = [migrations.RunSQL(SQL, "DROP TABLE usage_inference")]
