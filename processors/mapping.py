"""The 77 intent names of the BANKING77 data set, each with the area of the desk that answers for it.

Written from the names alone, before the rules of `areas.py` and before any measurement. It is the yardstick of those
rules, not a part of them: `area_of` never looks in here. The names, spelling included, are the data set's own
(Casanueva et al., 2020, CC BY 4.0); its texts are not part of this repository.
"""

from __future__ import annotations

from typing import Final

_INTENTS: Final = {
    "card": (
        "activate_my_card",
        "apple_pay_or_google_pay",
        "card_about_to_expire",
        "card_acceptance",
        "card_arrival",
        "card_delivery_estimate",
        "card_linking",
        "card_not_working",
        "card_payment_fee_charged",
        "card_payment_not_recognised",
        "card_swallowed",
        "change_pin",
        "compromised_card",
        "contactless_not_working",
        "declined_card_payment",
        "disposable_card_limits",
        "get_disposable_virtual_card",
        "get_physical_card",
        "getting_spare_card",
        "getting_virtual_card",
        "lost_or_stolen_card",
        "order_physical_card",
        "pending_card_payment",
        "pin_blocked",
        "reverted_card_payment?",
        "transaction_charged_twice",
        "virtual_card_not_working",
        "visa_or_mastercard",
    ),
    "transfer": (
        "balance_not_updated_after_bank_transfer",
        "beneficiary_not_allowed",
        "cancel_transfer",
        "declined_transfer",
        "failed_transfer",
        "pending_transfer",
        "receiving_money",
        "transfer_fee_charged",
        "transfer_into_account",
        "transfer_not_received_by_recipient",
        "transfer_timing",
    ),
    "top-up": (
        "automatic_top_up",
        "balance_not_updated_after_cheque_or_cash_deposit",
        "pending_top_up",
        "top_up_by_bank_transfer_charge",
        "top_up_by_card_charge",
        "top_up_by_cash_or_cheque",
        "top_up_failed",
        "top_up_limits",
        "top_up_reverted",
        "topping_up_by_card",
        "verify_top_up",
    ),
    "cash": (
        "atm_support",
        "cash_withdrawal_charge",
        "cash_withdrawal_not_recognised",
        "declined_cash_withdrawal",
        "pending_cash_withdrawal",
        "wrong_amount_of_cash_received",
    ),
    "exchange": (
        "card_payment_wrong_exchange_rate",
        "exchange_charge",
        "exchange_rate",
        "exchange_via_app",
        "fiat_currency_support",
        "supported_cards_and_currencies",
        "wrong_exchange_rate_for_cash_withdrawal",
    ),
    "identity": (
        "edit_personal_details",
        "lost_or_stolen_phone",
        "passcode_forgotten",
        "unable_to_verify_identity",
        "verify_my_identity",
        "verify_source_of_funds",
        "why_verify_identity",
    ),
    "other": (
        "Refund_not_showing_up",
        "age_limit",
        "country_support",
        "direct_debit_payment_not_recognised",
        "extra_charge_on_statement",
        "request_refund",
        "terminate_account",
    ),
}

AREA_OF_INTENT: Final = {intent: area for area, intents in _INTENTS.items() for intent in intents}
