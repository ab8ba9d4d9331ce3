"""Tell every gateway process when the catalogue changes (channel `catalog_changed`, no payload).

A probe writes its time and text every few seconds; only a changed verdict is news.
"""

from django.db import migrations, models

FORWARD = """
CREATE FUNCTION catalog_notify_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('catalog_changed', '');
    RETURN NULL;
END
$$;

CREATE TRIGGER catalog_model_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON catalog_model
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_notify_changed();

CREATE TRIGGER catalog_price_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON catalog_price
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_notify_changed();

CREATE TRIGGER catalog_backend_came_or_went AFTER INSERT OR DELETE OR TRUNCATE ON catalog_backend
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_notify_changed();

CREATE TRIGGER catalog_backend_changed AFTER UPDATE ON catalog_backend
    FOR EACH ROW
    WHEN (to_jsonb(OLD) - '{probed_at,probe_detail}'::text[] IS DISTINCT FROM to_jsonb(NEW) - '{probed_at,probe_detail}'::text[])
    EXECUTE FUNCTION catalog_notify_changed();
"""

BACKWARD = """
DROP TRIGGER catalog_backend_changed ON catalog_backend;
DROP TRIGGER catalog_backend_came_or_went ON catalog_backend;
DROP TRIGGER catalog_price_changed ON catalog_price;
DROP TRIGGER catalog_model_changed ON catalog_model;
DROP FUNCTION catalog_notify_changed();
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]
    operations = [
        migrations.AlterField("backend", "base_url", models.CharField(max_length=500)),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
