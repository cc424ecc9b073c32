//! Any bytes as what a server sends about cuts: brick deltas, snapshots, causes. What decodes is applied, as a mirror would.

use spinor_shared::codec;
use spinor_shared::delta::{LaneFrame, MAX_BRICKS, SnapshotEnd, SnapshotFrame, UNTOUCHED, Unpacker};
use spinor_shared::wire::{WireBrick, WireCut, WireEvent, WireInput};
use spinor_sim::{Event, UserId};
use spinor_volume::{CutOp, Grid};

/// Reads `bytes` as each message.
pub(crate) fn run(bytes: &[u8]) {
    let mut unpacker = Unpacker::new().expect("memory");
    let lane = codec::decode::<LaneFrame>(bytes).map(|frame| frame.bricks);
    let snapshot = codec::decode::<SnapshotFrame>(bytes).map(|frame| frame.bricks);
    for delta in [lane, snapshot].into_iter().flatten().flatten().take(MAX_BRICKS) {
        for have in [0, delta.version, delta.base.unwrap_or(1)] {
            let _ = unpacker.apply(&delta, have, &UNTOUCHED);
        }
    }
    let _ = codec::decode::<SnapshotEnd>(bytes);
    if let Ok(brick) = codec::decode::<WireBrick>(bytes) {
        let _ = brick.open();
    }
    if let Ok(inputs) = codec::decode::<Vec<WireInput>>(bytes) {
        for input in inputs {
            let _ = input.of(UserId(1)).map(|input| assert_eq!(WireInput::from(input).of(UserId(1)), Ok(input)));
        }
    }
    if let Ok(cut) = codec::decode::<WireCut>(bytes)
        && let Ok(op) = CutOp::try_from(cut)
    {
        let grid = Grid::new([0.0; 3], 0.5, [2, 2, 1]).expect("a grid");
        let _ = op.check(&grid);
        assert_eq!(WireCut::from(&op), cut);
    }
    if let Ok(event) = codec::decode::<WireEvent>(bytes)
        && let Ok(core) = Event::try_from(event)
    {
        assert_eq!(WireEvent::from(&core), event);
    }
}
