"""The payment gateway: its interface, Stripe's client, the request rate and the units of amounts."""
