"""The audit trail, which nobody changes."""

import django.core.serializers.json
import django.db.models.functions.datetime
from django.db import migrations, models


SQL = """
CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry
  FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Entry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('actor_id', models.BigIntegerField(help_text="the user's id", null=True)),
                ('actor', models.CharField(help_text="the user's address at that time", max_length=254, verbose_name='who')),
                ('action', models.CharField(max_length=40)),
                ('object_type', models.CharField(blank=True, help_text='app and model, such as billing.payment', max_length=100)),
                ('object_id', models.CharField(blank=True, max_length=255)),
                ('object_name', models.CharField(blank=True, max_length=200, verbose_name='object')),
                ('account_id', models.BigIntegerField(help_text='whose account it is about, if it is about one', null=True, verbose_name='account number')),
                ('what', models.TextField(blank=True, help_text='in words')),
                ('before', models.JSONField(default=dict, encoder=django.core.serializers.json.DjangoJSONEncoder)),
                ('after', models.JSONField(default=dict, encoder=django.core.serializers.json.DjangoJSONEncoder)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('address', models.GenericIPAddressField(help_text='from where', null=True)),
                ('page_id', models.CharField(blank=True, help_text='X-Request-Id of the page', max_length=64)),
            ],
            options={
                'verbose_name_plural': 'entries',
                'indexes': [models.Index(fields=['object_type', 'object_id', '-id'], name='audit_entry_of_object'), models.Index(fields=['actor', '-id'], name='audit_entry_of_actor'), models.Index(fields=['account_id', '-id'], name='audit_entry_of_account')],
            },
        ),
        migrations.RunSQL(SQL, "DROP FUNCTION audit_append_only CASCADE"),
    ]
