"""What DynamoDB promises of numbers.

Source: the developer guide, "Supported data types and naming rules": up to 38 digits of precision,
magnitudes 1E-130 to 9.9999999999999999999999999999999999999E+125, leading and trailing zeros
trimmed.
"""

from tests.simulation.conformance.a_table import INVALID, a_table
from tests.simulation.conformance.backends import LOCAL_CLOUD, MOTO, Backend, differs
from tests.simulation.conformance.refusals import refused


def _stored(backend: Backend, text: str) -> str:
    stored: str = a_table(backend).stores({"N": text})["N"]
    return stored


def case_whole_numbers_come_back_as_they_are(backend: Backend) -> None:
    table = a_table(backend)
    for text in ("0", "7", "-7", "1234567890123456789"):
        assert table.stores({"N": text}) == {"N": text}


@differs(
    MOTO, because="leading and trailing zeros are trimmed, and numbers are written without exponent"
)
def case_leading_zeros_are_trimmed(backend: Backend) -> None:
    assert _stored(backend, "00012") == "12"


@differs(
    MOTO, because="leading and trailing zeros are trimmed, and numbers are written without exponent"
)
def case_trailing_zeros_of_a_fraction_are_trimmed(backend: Backend) -> None:
    assert _stored(backend, "1.500") == "1.5"


@differs(
    MOTO, because="leading and trailing zeros are trimmed, and numbers are written without exponent"
)
def case_a_fraction_of_zeros_is_a_whole_number(backend: Backend) -> None:
    assert _stored(backend, "3.00") == "3"


def case_trailing_zeros_of_a_whole_number_stay(backend: Backend) -> None:
    assert _stored(backend, "1000") == "1000"


@differs(
    MOTO, because="leading and trailing zeros are trimmed, and numbers are written without exponent"
)
def case_an_exponent_is_written_out(backend: Backend) -> None:
    assert _stored(backend, "1e3") == "1000"


@differs(
    MOTO, because="leading and trailing zeros are trimmed, and numbers are written without exponent"
)
def case_a_negative_exponent_is_written_out(backend: Backend) -> None:
    assert _stored(backend, "15E-3") == "0.015"


@differs(
    MOTO, because="leading and trailing zeros are trimmed, and numbers are written without exponent"
)
def case_there_is_one_zero(backend: Backend) -> None:
    assert _stored(backend, "-0") == "0"
    assert _stored(backend, "0.00") == "0"


@differs(
    MOTO, because="leading and trailing zeros are trimmed, and numbers are written without exponent"
)
def case_a_plus_sign_is_not_kept(backend: Backend) -> None:
    assert _stored(backend, "+5") == "5"


@differs(
    MOTO, because="leading and trailing zeros are trimmed, and numbers are written without exponent"
)
def case_a_fraction_may_begin_with_its_point(backend: Backend) -> None:
    assert _stored(backend, ".5") == "0.5"


def case_38_digits_are_kept(backend: Backend) -> None:
    text = "1234567890" * 3 + "12345678"
    assert _stored(backend, text) == text


@differs(MOTO, because="a number has up to 38 digits")
def case_39_digits_are_refused(backend: Backend) -> None:
    with refused(INVALID):
        _stored(backend, "1234567890" * 3 + "123456789")


@differs(MOTO, because="a number has up to 38 digits")
def case_39_digits_after_the_point_are_refused(backend: Backend) -> None:
    with refused(INVALID):
        _stored(backend, "0." + "1234567890" * 3 + "123456789")


@differs(
    MOTO, because="leading and trailing zeros are trimmed, and numbers are written without exponent"
)
def case_zeros_at_either_end_are_no_digits(backend: Backend) -> None:
    assert _stored(backend, "000" + "1" * 38 + ".000") == "1" * 38


@differs(
    MOTO, because="leading and trailing zeros are trimmed, and numbers are written without exponent"
)
def case_the_largest_number_is_kept(backend: Backend) -> None:
    assert _stored(backend, "9." + "9" * 37 + "E125") == "9" * 38 + "0" * 88


@differs(MOTO, because="a number is smaller than 1E126")
def case_a_larger_number_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        _stored(backend, "1E126")


@differs(
    MOTO, because="leading and trailing zeros are trimmed, and numbers are written without exponent"
)
def case_the_smallest_number_is_kept(backend: Backend) -> None:
    assert _stored(backend, "1E-130") == "0." + "0" * 129 + "1"


def case_a_smaller_number_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        _stored(backend, "1E-131")


@differs(MOTO, LOCAL_CLOUD, because="a number is written in digits")
def case_what_is_no_number_is_refused(backend: Backend) -> None:
    table = a_table(backend)
    for text in ("", "abc", "1.2.3", "0x10", "1_000", "١"):
        with refused(INVALID):
            table.stores({"N": text})


def case_nan_and_infinity_are_refused(backend: Backend) -> None:
    table = a_table(backend)
    for text in ("NaN", "Infinity", "-Infinity"):
        with refused(INVALID):
            table.stores({"N": text})


@differs(
    MOTO, because="leading and trailing zeros are trimmed, and numbers are written without exponent"
)
def case_numbers_in_sets_lists_and_maps_are_trimmed_too(backend: Backend) -> None:
    table = a_table(backend)
    assert table.stores({"NS": ["01"]}) == {"NS": ["1"]}
    assert table.stores({"L": [{"N": "2.0"}]}) == {"L": [{"N": "2"}]}
    assert table.stores({"M": {"x": {"N": "1e1"}}}) == {"M": {"x": {"N": "10"}}}


@differs(
    MOTO, because="leading and trailing zeros are trimmed, and numbers are written without exponent"
)
def case_one_number_is_one_key_however_it_is_written(backend: Backend) -> None:
    table = a_table(backend, pk="N")
    table.put({"pk": {"N": "1.0"}, "v": {"S": "first"}})
    table.put({"pk": {"N": "01"}, "v": {"S": "second"}})
    assert table.get({"pk": {"N": "1"}})["Item"] == {"pk": {"N": "1"}, "v": {"S": "second"}}


def case_addition_is_exact(backend: Backend) -> None:
    table = a_table(backend)
    table.put({"pk": {"S": "a"}, "v": {"N": "0.1"}})
    table.update("SET v = v + :v", ExpressionAttributeValues={":v": {"N": "0.2"}})
    assert table.get({"pk": {"S": "a"}})["Item"]["v"] == {"N": "0.3"}


@differs(MOTO, LOCAL_CLOUD, because="a number has up to 38 digits")
def case_a_sum_of_more_than_38_digits_is_refused(backend: Backend) -> None:
    table = a_table(backend)
    table.put({"pk": {"S": "a"}, "v": {"N": "1" * 38}})
    with refused(INVALID):
        table.update("SET v = v + :v", ExpressionAttributeValues={":v": {"N": "0.1"}})


@differs(MOTO, because="a number is smaller than 1E126")
def case_a_sum_beyond_the_largest_number_is_refused(backend: Backend) -> None:
    table = a_table(backend)
    table.put({"pk": {"S": "a"}, "v": {"N": "9E125"}})
    with refused(INVALID):
        table.update("ADD v :v", ExpressionAttributeValues={":v": {"N": "9E125"}})
