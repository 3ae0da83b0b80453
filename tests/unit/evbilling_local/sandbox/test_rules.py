"""The sandbox's rules without a server: forms, amounts, payment methods, counting and limiting."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbilling_local.sandbox import methods, traffic
from evbilling_local.sandbox.amounts import check_amount, check_currency
from evbilling_local.sandbox.forms import flag_of, list_of, metadata_of, nested, only, pairs_of, text_of, whole_of
from evbilling_local.sandbox.idempotency import fingerprint
from evbilling_local.sandbox.replies import Refusal
from evbilling_local.sandbox.traffic import Limit, Traffic

names = st.text(st.characters(exclude_characters="[]", exclude_categories=["Cs"]), min_size=1, max_size=40)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


def refusal_of(error: Refusal) -> dict[str, str]:
    found: dict[str, str] = error.answer.body["error"]
    return found


@given(st.dictionaries(names, texts, max_size=10))
def test_metadata_arrives_as_it_was_sent(metadata: dict[str, str]) -> None:
    sent = urlencode([(f"metadata[{name}]", value) for name, value in metadata.items()])
    assert metadata_of(nested(pairs_of(sent))) == metadata


def test_brackets_nest_and_lists_keep_their_order() -> None:
    params = nested(pairs_of("a=1&b[c][d]=2&b[c][e]=3&expand[]=x&expand[]=y&f=&g[0]=u&g[1]=v"))
    assert params["a"] == "1"
    assert params["b"] == {"c": {"d": "2", "e": "3"}}
    assert list_of(params, "expand") == ["x", "y"]
    assert list_of(params, "g") == ["u", "v"]
    assert text_of(params, "f") is None
    assert list_of(params, "absent") == []


@pytest.mark.parametrize("text", ["a[=1", "a]b=1", "[a]=1", "a=1&a[b]=2", "a[b]=1&a=2", "a[b]=1&a[b][c]=2", "a=%ff"])
def test_parameters_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(Refusal):
        nested(pairs_of(text))


def test_values_of_the_wrong_kind_are_refused() -> None:
    params = nested(pairs_of("amount=1.5&confirm=yes&expand=x&metadata=y&name[a]=b"))
    for read, name in ((whole_of, "amount"), (flag_of, "confirm"), (list_of, "expand"), (text_of, "name")):
        with pytest.raises(Refusal) as caught:
            read(params, name)
        assert refusal_of(caught.value)["param"] == name
    with pytest.raises(Refusal):
        metadata_of(params)
    with pytest.raises(Refusal, match="unknown parameter: amount"):
        only(params, frozenset({"confirm"}))


@pytest.mark.parametrize("entries", [{"n" * 41: "v"}, {"n": "v" * 501}, {str(number): "v" for number in range(51)}])
def test_metadata_has_limits(entries: dict[str, str]) -> None:
    with pytest.raises(Refusal):
        metadata_of({"metadata": entries})


def test_a_request_is_the_same_in_whatever_order_its_parameters_come() -> None:
    pairs = [("a", "1"), ("b[c]", "2")]
    assert fingerprint("/v1/x", pairs) == fingerprint("/v1/x", pairs[::-1])
    assert fingerprint("/v1/x", pairs) != fingerprint("/v1/y", pairs)
    assert fingerprint("/v1/x", pairs) != fingerprint("/v1/x", [("a", "1"), ("b[c]", "3")])


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        (50, "usd"),
        (99_999_999, "usd"),
        (30, "gbp"),
        (50, "jpy"),
        (160, "kwd"),
        (1230, "bhd"),
        (500, "isk"),
        (700, "ugx"),
    ],
)
def test_amounts_that_can_be_charged(amount: int, currency: str) -> None:
    check_currency(currency)
    check_amount(amount, currency)


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        (0, "usd", "parameter_invalid_integer"),
        (-5, "usd", "parameter_invalid_integer"),
        (49, "usd", "amount_too_small"),
        (29, "gbp", "amount_too_small"),
        (100_000_000, "usd", "amount_too_large"),
        (1234, "kwd", "parameter_invalid_integer"),
        (1235, "tnd", "amount_too_small"),
        (150, "isk", "parameter_invalid_integer"),
    ],
)
def test_amounts_that_cannot_be_charged(amount: int, currency: str, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        check_amount(amount, currency)
    assert refusal_of(caught.value)["code"] == code


@pytest.mark.parametrize("currency", ["USD", "Usd", "xyz", "", "dollar", "xxx"])
def test_currencies_that_cannot_be_charged(currency: str) -> None:
    with pytest.raises(Refusal):
        check_currency(currency)


@pytest.mark.parametrize("prefix", ["pm_card_", "pm_card_visa_"])
@pytest.mark.parametrize(
    ("ending", "code", "decline_code", "advice"),
    [
        ("chargeDeclined", "card_declined", "generic_decline", "try_again_later"),
        ("chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds", "try_again_later"),
        ("chargeDeclinedLostCard", "card_declined", "lost_card", "do_not_try_again"),
        ("chargeDeclinedStolenCard", "card_declined", "stolen_card", "do_not_try_again"),
        ("chargeDeclinedFraudulent", "card_declined", "fraudulent", "do_not_try_again"),
        ("chargeDeclinedExpiredCard", "expired_card", None, "confirm_card_data"),
        ("chargeDeclinedIncorrectCvc", "incorrect_cvc", None, "confirm_card_data"),
        ("chargeDeclinedProcessingError", "processing_error", None, "try_again_later"),
        ("authenticationRequired", "authentication_required", "authentication_required", None),
    ],
)
def test_declining_methods(prefix: str, ending: str, code: str, decline_code: str | None, advice: str | None) -> None:
    found = methods.of_test_method(prefix + ending)
    assert found is not None
    assert (found.code, found.decline_code, found.advice_code) == (code, decline_code, advice)


def test_methods_that_succeed_and_names_that_are_none() -> None:
    for name in ("visa", "mastercard", "amex", "visa_debit", "authenticationRequiredSetupForOffSession"):
        found = methods.of_test_method(f"pm_card_{name}")
        assert found is not None
        assert found.reason is None
    for name in ("pm_card_", "pm_card_visa_", "pm_card_nobody", "pm_1", "card_visa", ""):
        assert methods.of_test_method(name) is None
    assert methods.of_number("4000 0000 0000 9995") == methods.of_token("tok_visa_chargeDeclinedInsufficientFunds")
    assert methods.of_number("1") is None
    assert methods.of_token("pm_card_visa") is None


def test_traffic_tells_the_busiest_second_wherever_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Traffic()
    assert counted.summary()["busiest_second"] == 0
    for moment in (10.0, 10.9, 11.1, 11.5, 11.85, 12.2, 14.0):
        monkeypatch.setattr(traffic.time, "time", lambda moment=moment: moment)
        counted.arrived()
    counted.answered("GET /v1/x", 200, None)
    counted.answered("GET /v1/x", None, "drop_after")
    summary = counted.summary()
    assert summary["busiest_second"] == 4
    assert summary["total"] == 7
    assert summary["per_second"] == pytest.approx(7 / 4)
    assert summary["by_status"] == {"200": 1, "no_answer": 1}
    assert summary["by_fault"] == {"drop_after": 1}
    counted.reset()
    assert counted.summary()["total"] == 0


def test_limit_lets_a_second_s_worth_through_and_refills(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(traffic.time, "monotonic", lambda: now[0])
    limit = Limit(4)
    assert [limit.admits() for _ in range(6)] == [True] * 4 + [False] * 2
    now[0] += 0.5
    assert [limit.admits() for _ in range(3)] == [True, True, False]
    now[0] += 60
    assert sum(limit.admits() for _ in range(10)) == 4
    assert all(Limit(None).admits() for _ in range(100))
