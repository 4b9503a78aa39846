from hypothesis import given
from hypothesis import strategies as st

from datamodules.loading.clip_datasets import Item
from datamodules.loading.sharding import Share, batch_facts


@given(
    num_items=st.integers(0, 60),
    batch_size=st.integers(1, 9),
    world_size=st.integers(1, 7),
    finished=st.sets(st.integers(0, 6)),
)
def test_shares_are_the_batches_of_one_process_less_the_finished(num_items, batch_size, world_size, finished):
    starts = {batch * batch_size for batch in finished}
    shares = [Share(rank, world_size, starts).of(num_items, batch_size) for rank in range(world_size)]
    dealt = [batch for share in shares for batch in share if batch]
    alone = [list(range(start, min(start + batch_size, num_items))) for start in range(0, num_items, batch_size)]
    assert sorted(dealt) == [batch for batch in alone if batch[0] not in starts]
    assert all(share for share in shares)  # who has nothing to do still takes part
    sizes = [sum(map(bool, share)) for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_a_batch_is_known_by_its_first_item() -> None:
    assert batch_facts([Item(7, None, "broken"), Item(8, None, "broken")]) == {"first": 7, "items": 2}
    assert batch_facts([(3, "a text", [0])]) == {"first": 3, "items": 1}
    assert batch_facts([]) == {"first": -1, "items": 0}
