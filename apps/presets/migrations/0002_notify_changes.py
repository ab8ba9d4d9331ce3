"""Tell every gateway process which preset has changed (channel `presets_changed`, payload `<account id> <slug>`).

What a request sees of a preset hangs on its slug, so that a renamed one is told under both names.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION presets_notify_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM pg_notify('presets_changed', OLD.account_id || ' ' || OLD.slug);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM pg_notify('presets_changed', NEW.account_id || ' ' || NEW.slug);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER presets_preset_changed AFTER INSERT OR UPDATE OR DELETE ON presets_preset
    FOR EACH ROW EXECUTE FUNCTION presets_notify_changed();
"""

BACKWARD = """
DROP TRIGGER presets_preset_changed ON presets_preset;
DROP FUNCTION presets_notify_changed();
"""


class Migration(migrations.Migration):
    dependencies = [("presets", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
