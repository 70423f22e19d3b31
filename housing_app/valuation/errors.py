"""What can go wrong in the valuation domain."""


class ValuationError(Exception):
    """Base of the domain's errors; its text is one line an operator can act on."""


class ArtifactError(ValuationError):
    """Refuse a model artifact: missing, truncated, tampered or mismatched."""


class NotReady(ValuationError):  # noqa: N818 - a state, not a fault
    """Say that a model or a table is not in place yet."""


class OutsideArea(ValuationError):  # noqa: N818 - an answer, not a fault
    """Refuse homes whose zipcodes the model was not trained on.

    `positions` are the indices of those homes in the request.
    """

    def __init__(self, positions: list[int]) -> None:
        self.positions = positions
        super().__init__("zipcode outside the area the model was trained on")
