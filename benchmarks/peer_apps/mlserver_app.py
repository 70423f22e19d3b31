"""MLServer: a runtime that takes a home as JSON in one string of the V2 protocol."""

import json

from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse
from valuer import Valuer, answer


class Homes(MLModel):
    async def load(self) -> bool:
        self.valuer = Valuer()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        (sent,) = StringCodec.decode_input(payload.inputs[0])
        told = json.dumps(answer(self.valuer, json.loads(sent)))
        output = StringCodec.encode_output("answer", [told])
        return InferenceResponse(model_name=self.name, outputs=[output])
