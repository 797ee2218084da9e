"""The gRPC door, asked by Triton's client as it is; and the messages, field by field, against its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc import model_config_pb2, service_pb2

from edgefer_runtime.bundle import Bundle
from edgefer_runtime.serving.messages import service

from .conftest import CROPS, Server


def crops(images: np.ndarray = CROPS) -> triton.InferInput:
    tensor = triton.InferInput("images", list(images.shape), "UINT8")
    tensor.set_data_from_numpy(images)
    return tensor


@pytest.fixture(scope="module")
def client(server: Server) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(server.grpc)


def fields_of(message: Any) -> set[tuple[Any, ...]]:
    return {
        (
            field.number,
            field.name,
            field.is_repeated,
            field.message_type.name
            if field.message_type
            else field.enum_type.name
            if field.enum_type
            else field.type,
            field.containing_oneof.name if field.containing_oneof else None,
        )
        for field in message.fields
    }


def compare(ours: Any, theirs: Any) -> None:
    assert ours.name == theirs.name and fields_of(ours) <= fields_of(theirs)
    for nested in ours.nested_types:
        compare(nested, theirs.nested_types_by_name[nested.name])
    for field in ours.fields:
        if field.enum_type:
            other = theirs.fields_by_name[field.name].enum_type
            assert {value.name: value.number for value in field.enum_type.values}.items() <= {
                value.name: value.number for value in other.values
            }.items()
        elif field.message_type and not field.message_type.containing_type:
            compare(field.message_type, theirs.fields_by_name[field.name].message_type)


def test_the_messages_are_the_protocols() -> None:
    name, calls = service()
    theirs = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    assert name == theirs.full_name == "inference.GRPCInferenceService" and len(calls) == 12
    for call, rpc in calls.items():
        other = theirs.methods_by_name[call]
        assert rpc.streams == other.server_streaming == other.client_streaming
        compare(rpc.request.DESCRIPTOR, other.input_type)
        compare(rpc.response.DESCRIPTOR, other.output_type)


def test_tritons_client_learns_what_is_served(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("face") and client.is_model_ready("face", "1")
    assert "statistics" in client.get_server_metadata().extensions
    metadata = client.get_model_metadata("face")
    assert [*metadata.versions] == ["1", "7"] and [*metadata.inputs[0].shape] == [-1, -1, -1, 3]
    config = client.get_model_config("face").config
    assert config.input[0].data_type == model_config_pb2.TYPE_UINT8 and config.HasField("dynamic_batching")
    assert config.output[0].data_type == model_config_pb2.TYPE_FP32
    index = client.get_model_repository_index().models
    assert [(each.name, each.version, each.state) for each in index][:2] == [
        ("face", "1", "READY"),
        ("face", "7", "READY"),
    ]
    assert {each.name for each in client.get_inference_statistics().model_stats} == {
        each.name for each in index
    }


@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
def test_tritons_client_gets_probabilities_and_labels(
    client: triton.InferenceServerClient, expected: Callable[[np.ndarray], np.ndarray], coding: str | None
) -> None:
    result = client.infer("face", [crops()], request_id="7", compression_algorithm=coding)
    np.testing.assert_allclose(result.as_numpy("probabilities"), expected(CROPS), atol=1e-4)
    assert (result.get_response().id, result.get_response().model_version) == ("7", "7")
    output = triton.InferRequestedOutput("probabilities", class_count=2)
    labels = client.infer("face", [crops()], outputs=[output]).as_numpy("probabilities")
    assert labels.shape == (5, 2) and int(labels[0, 0].split(b":")[1]) == expected(CROPS)[0].argmax()


def test_contents_that_are_not_raw_are_read_too(server: Server) -> None:
    request = service_pb2.ModelInferRequest(model_name="face")
    tensor = request.inputs.add(name="images", datatype="UINT8", shape=[1, 1, 1, 3])
    tensor.contents.uint_contents.extend([250, 0, 0])
    with grpc.insecure_channel(server.grpc) as channel:
        call = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            service_pb2.ModelInferRequest.SerializeToString,
            service_pb2.ModelInferResponse.FromString,
        )
        assert np.frombuffer(call(request).raw_output_contents[0], np.float32).argmax() == 0
        for values in ([250, 0], [250, 0, 300]):
            del tensor.contents.uint_contents[:]
            tensor.contents.uint_contents.extend(values)
            with pytest.raises(grpc.RpcError) as caught:
                call(request)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_stream_goes_on_behind_a_refusal(client: triton.InferenceServerClient) -> None:
    answers: list[tuple[Any, Any]] = []
    client.start_stream(lambda result, error: answers.append((result, error)))
    for model in ("face", "nobody", "face"):
        client.async_stream_infer(model, [crops()])
    client.stop_stream()
    assert [error is None for _, error in answers] == [True, False, True]
    assert "no model 'nobody'" in str(answers[1][1])


def test_tritons_client_is_told_what_is_wrong(client: triton.InferenceServerClient, server: Server) -> None:
    floats = triton.InferInput("images", [1, 4, 4, 3], "FP32")
    floats.set_data_from_numpy(np.zeros((1, 4, 4, 3), np.float32))
    big = crops(np.zeros((1, 1000, 1000, 3), np.uint8))
    for code, words, call in (
        ("NOT_FOUND", "no model 'nobody'", lambda: client.infer("nobody", [crops()])),
        ("NOT_FOUND", "no version '9'", lambda: client.get_model_metadata("face", "9")),
        ("INVALID_ARGUMENT", "expected UINT8", lambda: client.infer("face", [floats])),
        ("INVALID_ARGUMENT", "0 inputs", lambda: client.infer("face", [])),
        ("INVALID_ARGUMENT", "cannot be unloaded", lambda: client.unload_model("face")),
        ("RESOURCE_EXHAUSTED", "larger than max", lambda: client.infer("face", [big])),
        (
            "RESOURCE_EXHAUSTED",
            "larger than max",
            lambda: client.infer("face", [big], compression_algorithm="gzip"),
        ),
        ("DEADLINE_EXCEEDED", "no answer within", lambda: client.infer("face", [crops()], timeout=1)),
    ):
        with pytest.raises(triton.InferenceServerException, match=words) as caught:
            call()
        assert caught.value.status() == f"StatusCode.{code}", words
    with grpc.insecure_channel(server.grpc) as channel, pytest.raises(grpc.RpcError) as noise:
        channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(b"\xff" * 100)
    assert noise.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "failed" not in server.output


def test_only_who_has_the_token_is_let_in(start: Callable[..., Server], tiny: Bundle, tmp_path: Path) -> None:
    server = start(f"a={tiny.path}", "--grpc-port", "0", EDGEFER_TOKEN="secret")
    client = triton.InferenceServerClient(server.grpc)
    assert client.is_server_live() and client.is_server_ready()
    with pytest.raises(triton.InferenceServerException, match="UNAUTHENTICATED"):
        client.infer("a", [crops()])
    with pytest.raises(triton.InferenceServerException, match="UNAUTHENTICATED"):
        client.get_server_metadata()
    assert (
        client.infer("a", [crops()], headers={"authorization": "Bearer secret"})
        .as_numpy("probabilities")
        .any()
    )
