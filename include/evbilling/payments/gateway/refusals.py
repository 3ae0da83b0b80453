"""Whose making a refusal is: the customer's, the operator's, or not known. Pure.

The gateway answers a charge with an error of a type and, mostly, a code. A card error is the customer's. Any other
error of a request is the operator's: our key, our request, our data. The customer isn't told then, the attempt counts
for nothing, and the statement is tried again once the cause is gone. The few codes that are exceptions are below.
"""

from __future__ import annotations

from enum import StrEnum

# Our own codes for what the gateway has no single code for.
KEY_REFUSED = "key_refused"
CUSTOMER_MISSING = "customer_missing"
INVALID_REQUEST = "invalid_request"


class Whose(StrEnum):
    """Whose making a refusal is. UNKNOWN: the answer doesn't say that nothing is charged."""

    CUSTOMER = "customer"
    OPERATOR = "operator"
    UNKNOWN = "unknown"


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Another request with the same key or object is at work, or the gateway's own service failed: it may yet charge.
_UNKNOWN = _names("""
    forwarding_api_retryable_upstream_error forwarding_api_upstream_connection_error
    forwarding_api_upstream_connection_timeout forwarding_api_upstream_error idempotency_key_in_use lock_timeout
    payment_method_provider_timeout rate_limit
""")

# What only the customer or the bank can change, also where the gateway calls it an invalid request.
_CUSTOMERS = _names("""
    account_closed acss_debit_session_incomplete authentication_failure authentication_required
    bank_account_bad_routing_numbers bank_account_declined bank_account_restricted bank_account_unusable
    bank_account_unverified bank_account_verification_failed billing_invalid_mandate card_decline_rate_limit_exceeded
    card_declined charge_exceeds_source_limit charge_exceeds_transaction_limit debit_not_authorized expired_card
    expired_payment_method financial_connections_account_inactive incorrect_address incorrect_cvc incorrect_number
    incorrect_postal_code incorrect_zip india_recurring_payment_mandate_canceled insufficient_funds
    intent_verification_method_missing invalid_card_type invalid_cvc invalid_expiry_month invalid_expiry_year
    invalid_number no_account payment_intent_action_required payment_intent_authentication_failure
    payment_intent_konbini_rejected_confirmation_number payment_intent_mandate_invalid
    payment_intent_payment_attempt_expired payment_intent_payment_attempt_failed
    payment_method_bank_account_blocked payment_method_billing_details_address_missing payment_method_currency_mismatch
    payment_method_customer_decline payment_method_microdeposit_failed
    payment_method_microdeposit_verification_attempts_exceeded payment_method_microdeposit_verification_timeout
    payment_method_not_available payment_method_provider_decline payment_method_restricted
    payment_method_unexpected_state processing_error refer_to_customer sepa_unsupported_account
""")

# The others that Stripe lists, so that a new one is noticed when its client is updated. One that is in none of the
# three sets is the operator's too.
_OPERATORS = _names("""
    account_country_invalid_address account_error_country_change_requires_additional_steps account_information_mismatch
    account_invalid account_number_invalid account_token_required_for_v2_account action_blocked alipay_upgrade_required
    amount_too_large amount_too_small anomalous_money_movement_request api_key_expired application_fees_not_allowed
    approval_required balance_insufficient balance_invalid_parameter bank_account_exists bitcoin_upgrade_required
    capability_not_active capture_charge_authorization_expired capture_unauthorized_payment
    cardholder_phone_number_required charge_already_captured charge_already_refunded charge_disputed
    charge_expired_for_capture charge_invalid_parameter charge_not_refundable clearing_code_unsupported
    country_code_invalid country_unsupported coupon_expired customer_max_payment_methods customer_max_subscriptions
    customer_session_expired customer_tax_location_invalid email_invalid failed_tax_calculation
    financial_account_balance_does_not_support_currency financial_account_capability_not_enabled
    financial_account_capability_restricted financial_connections_account_pending_account_numbers
    financial_connections_account_unavailable_account_numbers
    financial_connections_no_successful_transaction_refresh forwarding_api_inactive forwarding_api_invalid_parameter
    instant_payouts_config_disabled instant_payouts_currency_disabled instant_payouts_limit_exceeded
    instant_payouts_unsupported intent_invalid_state invalid_canceled_subscription_fields invalid_characters
    invalid_charge_amount invalid_mandate_reference_prefix_format invalid_source_usage invalid_tax_location
    invoice_no_customer_line_items invoice_no_payment_method_types invoice_no_subscription_line_items
    invoice_not_editable invoice_on_behalf_of_not_editable invoice_payment_intent_requires_action
    invoice_upcoming_none livemode_mismatch missing not_allowed_on_standard_account out_of_inventory
    ownership_declaration_not_allowed parameter_invalid_empty parameter_invalid_integer parameter_invalid_string_blank
    parameter_invalid_string_empty parameter_missing parameter_unknown parameters_exclusive
    payment_intent_incompatible_payment_method payment_intent_invalid_parameter payment_intent_rate_limit_exceeded
    payment_intent_unexpected_state payment_method_bank_account_already_verified payment_method_configuration_failures
    payment_method_invalid_parameter payment_method_invalid_parameter_testmode
    payment_method_microdeposit_processing_error payment_method_microdeposit_verification_amounts_invalid
    payment_method_microdeposit_verification_amounts_mismatch
    payment_method_microdeposit_verification_descriptor_code_mismatch payment_method_unactivated
    payment_method_unsupported_type payout_reconciliation_not_ready payouts_limit_exceeded payouts_not_allowed
    platform_account_required platform_api_key_expired postal_code_invalid product_inactive
    progressive_onboarding_limit_exceeded refund_disputed_payment request_blocked resource_already_exists
    resource_missing return_intent_already_processed routing_number_invalid secret_key_required
    service_period_coupon_with_metered_tiered_item_unsupported setup_attempt_failed setup_intent_authentication_failure
    setup_intent_invalid_parameter setup_intent_mandate_invalid setup_intent_mobile_wallet_unsupported
    setup_intent_setup_attempt_expired setup_intent_unexpected_state shipping_address_invalid
    shipping_calculation_failed siret_invalid sku_inactive state_unsupported status_transition_invalid
    storer_capability_missing storer_capability_not_active stripe_tax_inactive tax_id_invalid tax_id_prohibited
    taxes_calculation_failed terminal_location_country_unsupported terminal_reader_busy terminal_reader_hardware_fault
    terminal_reader_invalid_location_for_activation terminal_reader_invalid_location_for_payment
    terminal_reader_offline terminal_reader_timeout testmode_charges_only tls_version_unsupported token_already_used
    token_card_network_invalid token_in_use transfer_source_balance_parameters_mismatch transfers_not_allowed
    url_invalid
""")

LISTED = _UNKNOWN | _CUSTOMERS | _OPERATORS

# A payment method that is gone or no longer the customer's comes as one of these, with this parameter.
_METHOD = frozenset({"payment_method", "source", "card"})
_METHOD_GONE = frozenset({"resource_missing", None})


def whose(error_type: str | None, code: str | None, param: str | None) -> Whose:
    """Whose making the refusal of a charge is, by the type, code and parameter of the error; any may be missing."""
    if code in _UNKNOWN:
        return Whose.UNKNOWN
    if error_type == "card_error":
        return Whose.CUSTOMER
    if error_type == "invalid_request_error":
        is_method_gone = param in _METHOD and code in _METHOD_GONE
        return Whose.CUSTOMER if code in _CUSTOMERS or is_method_gone else Whose.OPERATOR
    return Whose.UNKNOWN


# What concerns one statement only: the others are charged all the same.
_OF_ONE_STATEMENT = frozenset({CUSTOMER_MISSING, "amount_too_large", "amount_too_small", "amount_not_chargeable"})

_FIXES = {
    KEY_REFUSED: "set the password of the connection payment_gateway to a secret key that may create payment intents",
    CUSTOMER_MISSING: "correct the financial admin's payment_customer in the platform",
    "amount_not_chargeable": "mark the statement as paid by other means",
    "amount_too_large": "mark the statement as paid by other means",
    "amount_too_small": "mark the statement as paid by other means",
    "capability_not_active": "enable card payments, and this currency, in the gateway's dashboard",
    "livemode_mismatch": "set the connection's password to a key of the mode that the customers belong to",
    "testmode_charges_only": "activate the account in the gateway's dashboard, or use a test key",
}
_FIX = "correct what the gateway names, in its dashboard or in the connection payment_gateway"


def is_of_one_statement(code: str | None) -> bool:
    """True if the refusal says nothing about the other statements of a batch."""
    return code in _OF_ONE_STATEMENT


def how_to_fix(code: str | None) -> str:
    """What the operator does about a refusal, as a clause."""
    return _FIXES.get(code or "", _FIX)
