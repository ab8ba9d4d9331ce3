"""Cells of an hour and a day in which all keys, models and dialects of an account are together, made of the cells that are there."""

from django.db import migrations, models

SQL = """
SET LOCAL statement_timeout = 0;  -- a minute for some millions of cells
SELECT FROM usage_rollupmark FOR UPDATE;  -- no step of the fold in between
INSERT INTO usage_rollup (account_id, grain, start, api_key_id, model_id, status, dialect, requests, prompt_tokens, cached_tokens,
  completion_tokens, reasoning_tokens, cost, charged, last_admitted_at, histogram)
SELECT account_id, -grain, start, 0, 0, status, 0, requests, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, cost, charged, last_admitted_at,
  CASE WHEN cells = 1 THEN histograms ELSE (
    SELECT coalesce(array_agg(h.code + h.n * 256 ORDER BY h.code), '{}')
    FROM (SELECT x & 255 AS code, sum(x >> 8)::bigint AS n FROM unnest(histograms) x GROUP BY 1) h) END
FROM (
  SELECT account_id, grain, start, status, sum(requests) AS requests, sum(prompt_tokens) AS prompt_tokens, sum(cached_tokens) AS cached_tokens,
    sum(completion_tokens) AS completion_tokens, sum(reasoning_tokens) AS reasoning_tokens, sum(cost) AS cost, sum(charged) AS charged,
    max(last_admitted_at) AS last_admitted_at, count(*) AS cells, string_to_array(string_agg(array_to_string(histogram, ' '), ' '), ' ')::bigint[] AS histograms
  FROM usage_rollup WHERE grain IN (60, 1440) GROUP BY account_id, grain, start, status
) c ORDER BY account_id, grain, start;
"""
GRAINS = [(15, "Quarter"), (60, "Hour"), (1440, "Day"), (-60, "Hour Of All"), (-1440, "Day Of All")]


class Migration(migrations.Migration):
    dependencies = [("usage", "0005_retention")]
    operations = [
        migrations.RunSQL(SQL, "DELETE FROM usage_rollup WHERE grain < 0"),
        migrations.AlterField(
            "rollup", "grain", models.SmallIntegerField(choices=GRAINS, help_text="minutes; negative: of all keys, models and dialects")
        ),
        migrations.AlterField("rollup", "api_key_id", models.BigIntegerField(help_text="0: without a key, or of all")),
    ]
