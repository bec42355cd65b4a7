"""The product catalogue: data beside the code, checked when it is read."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter

from chalicelib.domain.product import Product

CATALOGUE = Path(__file__).parents[1] / "products.json"


def read(catalogue: Path = CATALOGUE) -> Mapping[str, Product]:
    """Read the catalogue.

    :raises pydantic.ValidationError: if a product is not well-formed.
    """
    products = TypeAdapter(tuple[Product, ...]).validate_json(catalogue.read_bytes())
    return {product.code: product for product in products}
