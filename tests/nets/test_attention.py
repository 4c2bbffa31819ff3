"""Attention by hand, and timm's own blocks, give what ours give."""

import pytest
import torch
from timm.layers import Attention
from timm.models.vision_transformer import ParallelScalingBlock
from torch.testing import assert_close

from phenolens.nets.attention import ParallelBlock, SelfAttention, attend


def test_attention_is_a_mean_of_values_weighted_by_the_softmax_of_products():
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 3, 7, 4)
    weights = torch.softmax(q @ k.transpose(-1, -2) / 2, dim=-1)
    assert_close(attend(q, k, v), weights @ v)


@pytest.mark.parametrize("half", [False, True])
def test_blocks_and_their_gradients_are_those_of_timm(half):
    torch.manual_seed(1)
    ours, theirs = (
        kind(48, 3, qkv_bias=False, qk_norm=True, init_values=0.5) for kind in (ParallelBlock, ParallelScalingBlock)
    )
    theirs.load_state_dict(ours.state_dict())
    attention = SelfAttention(48, 3, qkv_bias=True), Attention(48, 3, qkv_bias=True)
    attention[1].load_state_dict(attention[0].state_dict())
    x = torch.randn(2, 9, 48)
    for own, other in ((ours, theirs), attention):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            found, expected = own(x), other(x)
        close = {"rtol": 0.05, "atol": 0.02} if half else {"rtol": 1e-5, "atol": 1e-6}
        assert_close(found.float(), expected.float(), **close)
        found.float().square().mean().backward()
        expected.float().square().mean().backward()
        gradients = dict(other.named_parameters())
        for name, parameter in own.named_parameters():
            assert_close(parameter.grad, gradients[name].grad, **close)
