"""Mails about money. Each kind of notice is a template, templates/billing/email/<kind>.html, in the blocks that templates/mail lays out.

Every one is given `account`, `notice`, `balance` (nano-USD), `billing_url`, and:

| kind | and |
|---|---|
| receipt | `payment`, `receipt` |
| low_balance | `threshold` (nano-USD), `auto_topup` (AutoTopup or None) |
| auto_topup_done | `payment`, `receipt` |
| auto_topup_failed | `payment`, `reason` (text) |
| auto_topup_paused | `reason` (text), `payment` (or None) |
| auto_topup_capped | `auto_topup` |
| trial_expiring | `pool` |
| card_expiring | `card` |
| refunded | `payment`, `amount` (nano-USD) |
| suspended | `debt` (nano-USD) |
| reinstated | nothing |
"""
