from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0007_refunds_pause_auto_topup"),
    ]

    operations = [
        migrations.AddField(
            model_name="paymentmethod",
            name="wallet",
            field=models.BooleanField(
                default=False, help_text="of Apple Pay and the like: the fingerprint is of a device's token, not of the card"
            ),
        ),
        migrations.AlterField(
            model_name="paymentmethod",
            name="fingerprint",
            field=models.CharField(help_text="empty when Stripe does not say", max_length=255),
        ),
        migrations.AlterField(
            model_name="payment",
            name="save_card",
            field=models.BooleanField(default=False, help_text="the card is yet to be kept"),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("save_card", True), ("status", 2)), fields=["next_check_at"], name="billing_payment_card_to_keep"
            ),
        ),
    ]
