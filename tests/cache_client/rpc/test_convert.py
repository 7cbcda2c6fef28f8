"""What becomes of the contract's messages."""

from cache_client.rpc.convert import model_list_from_proto
from playthrough.v1 import prediction_service_pb2 as pb


def test_a_model_that_could_not_be_loaded_says_so_and_has_no_time_of_loading() -> None:
    failed = pb.Model(name="simple", version="2", state=pb.Model.STATE_FAILED, failure_reason="no weights")
    standby = pb.Model(name="simple", version="1", state=pb.Model.STATE_STANDBY)
    models = model_list_from_proto(pb.ListModelsResponse(models=[failed, standby])).models
    assert [(it.version, it.state, it.failure_reason, it.loaded_at) for it in models] == [
        ("2", "failed", "no weights", None),
        ("1", "standby", "", None),
    ]
