"""The payment gateway: Stripe's client behind a narrow interface, its amounts, one pace for all processes."""

from evbilling.payments.gateway.interface import GatewaySettings, Lease

__all__ = ["GatewaySettings", "Lease"]
